import Glibc

/// The pages of a database that SQLite no longer reads, or no longer reads to its end: those of the file and, over them,
/// those that were committed to the log. `https://www.sqlite.org/fileformat2.html` describes both.
struct DamagedFile: ~Copyable {
    let pageSize: Int
    private(set) var pageCount: Int
    private let database: Int32
    private let log: Int32
    /// Where in the log the newest committed version of a page stands.
    private var committed: [Int: Int] = [:]

    /// - Throws: `access` where the file cannot be read.
    init(_ files: JournalFiles) throws(JournalError) {
        database = unsafe open(files.path, O_RDONLY | O_CLOEXEC)
        guard database >= 0 else { throw .noAccess(files, JournalFiles.reason(errno)) }
        log = unsafe open(files.path + "-wal", O_RDONLY | O_CLOEXEC)
        let header = Self.read(database, at: 0, count: 100)
        pageSize = Self.pageSize(header) ?? 4096
        pageCount = Int(files.databaseBytes ?? 0) / pageSize
        if log >= 0 { readLog(bytes: Int(files.logBytes)) }
        pageCount = max(pageCount, committed.keys.max() ?? 0)
    }

    deinit {
        close(database)
        if log >= 0 { close(log) }
    }

    /// - Parameter number: from 1.
    /// - Returns: nil where it is not whole.
    func page(_ number: Int) -> [UInt8]? {
        guard number > 0, number <= pageCount else { return nil }
        let page =
            committed[number].map { Self.read(log, at: $0, count: pageSize) }
            ?? Self.read(database, at: (number - 1) * pageSize, count: pageSize)
        return page.count == pageSize ? page : nil
    }

    private static func pageSize(_ header: [UInt8]) -> Int? {
        guard header.count == 100, header.starts(with: "SQLite format 3\0".utf8) else { return nil }
        let size = header.bigEndian(at: 16, bytes: 2)
        guard size != 1 else { return 65536 }
        return size >= 512 && size & (size - 1) == 0 ? size : nil
    }

    private static func read(_ descriptor: Int32, at offset: Int, count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            // The buffer has room for what is asked.
            let result = unsafe pread(descriptor, buffer.baseAddress, count, off_t(offset))
            filled = max(0, result)
        }
    }

    // MARK: The log

    /// Frames count up to the last commit before the first that does not continue the sums.
    private mutating func readLog(bytes: Int) {
        let header = Self.read(log, at: 0, count: 32)
        guard header.count == 32, header.bigEndian(at: 0, bytes: 4) & ~1 == 0x377F_0682,
            header.bigEndian(at: 8, bytes: 4) == pageSize
        else { return }
        var sum = LogSum(isBigEndian: header[3] & 1 == 1)
        sum.update(header[0..<24])
        guard sum.matches(header, at: 24) else { return }
        var waiting: [Int: Int] = [:]
        for offset in stride(from: 32, through: bytes - 24 - pageSize, by: 24 + pageSize) {
            let frame = Self.read(log, at: offset, count: 24 + pageSize)
            guard frame.count == 24 + pageSize, frame[8..<16] == header[16..<24] else { return }
            sum.update(frame[0..<8])
            sum.update(frame[24...])
            guard sum.matches(frame, at: 16) else { return }
            waiting[frame.bigEndian(at: 0, bytes: 4)] = offset + 24
            guard frame.bigEndian(at: 4, bytes: 4) > 0 else { continue }
            committed.merge(waiting) { $1 }
            waiting = [:]
        }
    }
}

/// The running sum over a log's header and frames.
private struct LogSum {
    let isBigEndian: Bool
    private var first: UInt32 = 0
    private var second: UInt32 = 0

    init(isBigEndian: Bool) {
        self.isBigEndian = isBigEndian
    }

    mutating func update(_ bytes: ArraySlice<UInt8>) {
        var index = bytes.startIndex
        while index + 8 <= bytes.endIndex {
            first = first &+ word(bytes, at: index) &+ second
            second = second &+ word(bytes, at: index + 4) &+ first
            index += 8
        }
    }

    private func word(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt32 {
        let (a, b, c, d) = (
            UInt32(bytes[index]), UInt32(bytes[index + 1]), UInt32(bytes[index + 2]), UInt32(bytes[index + 3])
        )
        return isBigEndian ? a << 24 | b << 16 | c << 8 | d : d << 24 | c << 16 | b << 8 | a
    }

    func matches(_ bytes: [UInt8], at index: Int) -> Bool {
        bytes.bigEndian(at: index, bytes: 4) == Int(first) && bytes.bigEndian(at: index + 4, bytes: 4) == Int(second)
    }
}

extension [UInt8] {
    /// An unsigned number of at most seven bytes; 0 where it is not all there.
    func bigEndian(at index: Int, bytes: Int) -> Int {
        guard index >= 0, index + bytes <= count else { return 0 }
        return self[index..<(index + bytes)].reduce(0) { $0 << 8 | Int($1) }
    }
}
