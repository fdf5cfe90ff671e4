import Foundation
import Testing

/// What a process leaves behind: in its folder, in the folder for temporary files, on its outputs.
struct MarkerProcessTests {
    @Test func `nothing is readable in any file of a process, while it runs and after, and no file is anyone else's`()
        async throws
    {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        // Held open by its input while its folders are copied. Values of every second line do not compress.
        let outcome = try await tool.shell(
            """
            umask 000
            mkdir -m 700 files temporary; export CACHEKIT_DATABASE=files/cache.db TMPDIR=$PWD/temporary SQLITE_TMPDIR=$PWD/temporary
            lines() { for n in $(seq 400); do
              printf '{"key":"markernamespacequx:markerkeyzorp%s","value":{"a":"markervaluefnord%s","b":"%s"}}\\n' $n $n \
                $(if [ $((n % 2)) = 0 ]; then head -c 600 /dev/urandom | base64 -w 0; else printf 'markerrepeatgrault%.0s' {1..40}; fi)
            done; }
            { lines; until [ -e seen ]; do sleep 0.02; done; } | cachekit import --tenant markertenantplugh --batch 100 >import.out 2>&1 &
            # Two batches of 100 rows at least.
            until [ "$(stat -c %s files/cache.db-wal 2>/dev/null || echo 0)" -gt 300000 ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
            stat -c '%n %a' files/*
            cp -r files running; cp -r temporary running/temporary; touch seen; wait $!; echo imported $?
            cachekit delete markernamespacequx:markerkeyzorp7 --tenant markertenantplugh
            cachekit verify --tenant markertenantplugh >verify.out 2>&1; echo verified $?
            cachekit stats --tenant markertenantplugh >stats.out 2>&1
            cachekit backup files/copy.db --tenant markertenantplugh >backup.out 2>&1; echo copied $?
            stat -c '%n %a' files/*
            ls -A temporary | wc -l
            grep -raciE 'markernamespace|markerkey|markervalue|markerrepeat|markertenant' running files temporary *.out | grep -v ':0$' || echo nothing
            lines >clear; grep -raciE 'markerkey' clear
            """)
        #expect(
            outcome.output == """
                files/cache.db 600
                files/cache.db-shm 600
                files/cache.db-wal 600
                imported 0
                verified 0
                copied 0
                files/cache.db 600
                files/copy.db 600
                0
                nothing
                400

                """, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty)
    }
}
