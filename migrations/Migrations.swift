/// The numbered SQL files of this folder, embedded when the library is built.
package enum Migrations {
    /// Number, name and SQL of each file, in order of number.
    package static let all: [(number: Int, name: String, sql: [UInt8])] = [
        (1, "m0001_initial.sql", PackageResources.m0001_initial_sql)
    ]
}
