/// What a name that means nothing was probably meant to be.
enum NearMiss {
    /// The known name that the fewest changes lead to, if they are few for its length.
    static func suggestion(for name: String, among known: some Sequence<String>) -> String? {
        let bound = max(1, min(name.count / 4, 3))
        let nearest = known.map { (name: $0, distance: distance(name, $0)) }
            .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
        guard let nearest, nearest.distance <= bound else { return nil }
        return nearest.name
    }

    /// How many characters have to be put in, left out, replaced or swapped with their neighbours to make one text of the
    /// other (optimal string alignment). Complexity: O(n * m); both are names.
    static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left.prefix(256))
        let right = Array(right.prefix(256))
        var before: [Int] = []
        var last = Array(0...right.count)
        for row in 0..<left.count {
            var next = [row + 1]
            for column in 0..<right.count {
                var least = min(
                    last[column + 1] + 1, next[column] + 1, last[column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    least = min(least, before[column - 1] + 1)
                }
                next.append(least)
            }
            before = last
            last = next
        }
        return last[right.count]
    }
}
