/// One numbered SQL file of this folder.
package struct Migration: Sendable {
    /// From 1 on; the number of the last one is the file's format.
    package let number: Int
    /// The file's name.
    package let name: String
    /// What it holds.
    package let sql: [UInt8]

    package init(number: Int, name: String, sql: [UInt8]) {
        self.number = number
        self.name = name
        self.sql = sql
    }
}

/// The numbered SQL files of this folder, embedded when the library is built.
package enum Migrations {
    /// In order of number.
    package static let all = [
        Migration(number: 1, name: "m0001_initial.sql", sql: PackageResources.m0001_initial_sql)
    ]
}
