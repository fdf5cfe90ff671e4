internal import CacheKitCore

/// What Redis runs for a push: weighs each write of one bucket and applies those that hold, in one step
/// (docs/sync.md, "Verdicts"; https://redis.io/docs/latest/develop/interact/programmability/lua-api/).
///
/// `KEYS`: the bucket, then the key of each write. `ARGV`: what ``PushOperation`` says of the push, then for each write what it
/// says of that, and for a put the value.
///
/// The reply is one string: `M` and the mark found, or `N`; then for each write a letter and what belongs to it (``PushReply``).
///
/// Whatever a server calls a failure comes back as a table with `err`, from Redis 6 on with `-` before it. None is raised: a
/// script that ends half way keeps what it wrote, and would keep it without records.
enum PushScript {
    /// The script's name at a server that knows it: SHA-1 of its text, in hex. Where that can't be had, no server knows it.
    static let hash: String = ((try? SHA1.digest(Array(source.utf8))) ?? []).map { byte in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }.joined()

    // Versions and times are compared as numbers of 32 bits: Lua compares strings by the server's locale, and its numbers have
    // 53 bits. Offsets are those of a record (41 bytes), flags (1), life (8) and up to two base fingerprints (16 each).
    static let source = """
        local try, unpacked, sub, ARGV, KEYS = redis.pcall, struct.unpack, string.sub, ARGV, KEYS

        local function failure(reply)
          return (string.gsub(reply.err, '^%-', ''))
        end

        local e1, e2, g1, g2, n1, n2, traits = unpacked('>I4I4I4I4I4I4B', ARGV[1], 10)
        local field = sub(ARGV[1], 1, 9)
        local found = try('HMGET', KEYS[1], field, unpack(KEYS, 2))
        if found.err then return {err = failure(found)} end

        local mark, f1, f2 = found[1], 0, 0
        if mark and #mark ~= 8 then mark = false end
        if mark then f1, f2 = unpacked('>I4I4', mark) end
        local short = f1 < e1 or f1 == e1 and f2 < e2
        local lost = short or traits % 2 == 1

        local function plain(key)
          local text = try('GETRANGE', key, 0, 65536)
          if type(text) == 'table' then return nil, text end
          local length = #text
          if length > 65536 then
            length = try('STRLEN', key)
            if type(length) == 'table' then return nil, length end
            local tail = try('GETRANGE', key, -32768, -1)
            if type(tail) == 'table' then return nil, tail end
            text = sub(text, 1, 32768) .. tail
          end
          local digits = sub(redis.sha1hex(string.format('%d:', length) .. text), 1, 32)
          return (string.gsub(digits, '..', function(pair) return string.char(tonumber(pair, 16)) end))
        end

        local none = string.rep(string.char(0), 16)
        local answers, fields = {mark and 'M' .. mark or 'N'}, {}
        local argument = 2
        for index = 2, #KEYS do
          local key, write, value = KEYS[index], ARGV[argument], nil
          local flags, l1, l2 = unpacked('>BI4I4', write, 42)
          local put, late, old = flags % 2 == 1, flags % 4 >= 2 and not lost, false
          argument = argument + 1
          if put then
            value = ARGV[argument]
            argument = argument + 1
          end

          local record, answer, error = found[index], nil, nil
          if record and #record ~= 41 then record = false end
          if record then
            local r1, r2, r3, r4 = unpacked('>I4I4I4I4', record)
            local w1, w2, w3, w4 = unpacked('>I4I4I4I4', write)
            if r1 == w1 and r2 == w2 and r3 == w3 and r4 == w4 then
              local print = sub(record, 18, 33)
              local same = print == sub(write, 18, 33) or print == sub(write, 51, 66) or print == sub(write, 67, 82)
              if not same then
                answer = 'C'
              elseif flags < 32 then
                answer = 'Y'
              else
                local tail = try('GETRANGE', key, -16, -1)
                if type(tail) == 'table' then
                  error = tail
                elseif tail == '' then
                  if not put then answer = 'Y' end
                elseif put then
                  local own = sub(write, 18, 33)
                  local whole = tail
                  if tail == none or tail ~= print and tail ~= own then whole, error = plain(key) end
                  if whole == print or whole == own then answer = 'Y' end
                end
              end
            elseif r1 > w1 or r1 == w1 and (r2 > w2 or r2 == w2 and (r3 > w3 or r3 == w3 and r4 > w4)) then
              answer = 'S' .. record
            end
          else
            old = put and flags % 8 >= 4
          end

          if not answer and not error and (late or old) then
            local live, print = false, nil
            if record and string.byte(record, 17) == 1 then
              local t1, t2 = unpacked('>I4I4', record, 34)
              live = n1 < t1 or n1 == t1 and n2 < t2
              print = sub(record, 18, 33)
            end
            local function known(it)
              if it == none then return false end
              return it == print or it == sub(write, 18, 33) or it == sub(write, 51, 66) or it == sub(write, 67, 82)
            end
            if put and not live and not old then
              local reply = try('SET', key, value, 'NX', 'PX', l1 * 4294967296 + l2)
              if reply then
                if reply.err then error = reply else answer = 'A' end
              end
            end
            if not answer and not error then
              local tail = try('GETRANGE', key, -16, -1)
              if type(tail) == 'table' then
                error = tail
              elseif tail == '' then
                if late and put and live and flags % 16 < 8 then answer = 'B' elseif old then answer = 'T' end
              elseif not known(tail) then
                local whole
                whole, error = plain(key)
                if whole and not known(whole) then
                  if late then
                    answer = 'F' .. whole
                    if flags % 32 >= 16 then
                      fields[#fields + 1] = key
                      fields[#fields + 1] = sub(write, 1, 41)
                    end
                  else
                    answer = 'T'
                  end
                end
              end
            end
            if answer == 'A' then
              fields[#fields + 1] = key
              fields[#fields + 1] = sub(write, 1, 41)
            end
          end

          if not answer and not error then
            local reply
            if put then reply = try('SET', key, value, 'PX', l1 * 4294967296 + l2) else reply = try('DEL', key) end
            if type(reply) == 'table' and reply.err then
              error = reply
            else
              answer = 'A'
              fields[#fields + 1] = key
              fields[#fields + 1] = sub(write, 1, 41)
            end
          end
          if error then
            local text = sub(failure(error), 1, 255)
            answer = 'E' .. string.char(#text) .. text
          end
          answers[#answers + 1] = answer
        end

        if not short and (not mark or f1 < g1 or f1 == g1 and f2 < g2) then
          fields[#fields + 1] = field
          fields[#fields + 1] = sub(ARGV[1], 18, 25)
          if not mark and traits >= 2 then
            fields[#fields + 1] = sub(field, 1, 1)
            fields[#fields + 1] = string.rep('-', 65)
          end
        end
        if #fields > 0 then
          local reply = try('HSET', KEYS[1], unpack(fields))
          if type(reply) == 'table' and reply.err then return {err = failure(reply)} end
        end
        return table.concat(answers)
        """
}
