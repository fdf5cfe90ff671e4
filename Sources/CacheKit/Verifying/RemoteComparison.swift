/// What the rows of a file and the remote were found to be to each other; nothing was changed.
public struct RemoteComparison: Sendable, Equatable {
    /// Rows looked at, also those that are left out.
    public var examined = 0
    /// Rows compared: values whose life has not ended, and deletes.
    public var compared = 0
    /// The remote has the same, under the same version.
    public var same = 0
    /// The remote has the same value, and no record of its version: its records were lost, or somebody without versions wrote it.
    public var sameWithoutRecord = 0
    /// The remote has something newer; it is pulled when it is read, or by reconciling.
    public var newer = 0
    /// The remote has an older version: it lost what it had.
    public var older = 0
    /// Somebody without versions wrote the value that is there.
    public var foreign = 0
    /// Nothing is there for a value that is held here.
    public var missing = 0
    /// Something is there for a key that was deleted here.
    public var notDeleted = 0
    /// Values of the remote that were opened.
    public var opened = 0
    /// Values of the remote that do not open under any key of the ring.
    public var unopened = 0
    /// Rows left out because their change waits for the remote.
    public var pending = 0
    /// Rows left out because their change waits for a person.
    public var setAside = 0
    /// Rows of the file that do not authenticate; 'cachekit doctor' says more.
    public var unreadable = 0
    /// Where to go on; `nil` once all rows were compared.
    public var next: RowCursor?

    /// Nothing compared.
    public init() {}

    /// Whether the remote has everything that is held here, and nothing else for those keys.
    public var isClean: Bool {
        newer + older + foreign + missing + notDeleted + unopened + unreadable == 0
    }

    /// Weighs what a row and the remote are to each other.
    mutating func count(_ row: HeldRow, isSameValue: Bool, hasValue: Bool, _ record: RemoteRecord?) {
        compared += 1
        let recorded = record?.version ?? .unknown
        if row.isTombstone {
            if hasValue { if recorded > row.version { newer += 1 } else { notDeleted += 1 } } else { same += 1 }
        } else if isSameValue {
            if record == nil { sameWithoutRecord += 1 } else { same += 1 }
        } else if recorded > row.version, row.version > .unknown {
            newer += 1
        } else if recorded < row.version, record != nil {
            older += 1
        } else if hasValue {
            foreign += 1
        } else {
            missing += 1
        }
    }
}
