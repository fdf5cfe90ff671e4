// peer DATABASE ROWS: fills a new SQLCipher database and then does what standard input asks for, one job a line.
//
//   read N       so many point reads by a random key, each in its own transaction
//   write N      so many updates, each in its own transaction
//   together N   so many updates in one transaction
//   log 1        moves the log into the database
//
// Each job, and the filling, is answered by a line with its nanoseconds.
#define SQLITE_HAS_CODEC 1
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { value_count = 1024, key_count = 30 };

static sqlite3 *database;
static sqlite3_stmt *begin, *commit, *insert, *update, *get;
static uint64_t random_state = 1, stamp;

static void fail(const char *call) {
    fprintf(stderr, "peer: %s: %s\n", call, sqlite3_errmsg(database));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// SplitMix64 (Steele et al., 2014).
static uint64_t next_random(void) {
    uint64_t mixed = random_state += 0x9E3779B97F4A7C15;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
}

static void step(sqlite3_stmt *statement, const char *call) {
    if (sqlite3_step(statement) != SQLITE_DONE) fail(call);
    sqlite3_reset(statement);
}

static void bind_key(sqlite3_stmt *statement, uint64_t number) {
    char key[64];
    snprintf(key, sizeof key, "users:profile:%016" PRIu64, number);
    if (sqlite3_bind_text(statement, 1, key, key_count, SQLITE_TRANSIENT) != SQLITE_OK) fail("bind");
}

static void write_row(sqlite3_stmt *statement, uint64_t number) {
    static uint8_t value[value_count];
    if (!stamp) {
        for (size_t offset = 0; offset < sizeof value; offset += 8) {
            uint64_t bytes = next_random();
            memcpy(value + offset, &bytes, 8);
        }
    }
    stamp++;
    memcpy(value, &stamp, sizeof stamp);
    bind_key(statement, number);
    if (sqlite3_bind_blob(statement, 2, value, sizeof value, SQLITE_STATIC) != SQLITE_OK) fail("bind");
    step(statement, "write");
}

static void read_row(uint64_t number) {
    bind_key(get, number);
    if (sqlite3_step(get) != SQLITE_ROW || sqlite3_column_bytes(get, 0) != value_count) fail("select");
    void *copy = malloc(value_count);
    if (!copy) fail("malloc");
    memcpy(copy, sqlite3_column_blob(get, 0), value_count);
    // Keeps the compiler from dropping the copy.
    __asm__ volatile("" : : "r"(copy) : "memory");
    free(copy);
    sqlite3_reset(get);
}

static void prepare(const char *sql, sqlite3_stmt **statement) {
    if (sqlite3_prepare_v2(database, sql, -1, statement, NULL) != SQLITE_OK) fail("prepare");
}

static void open_database(const char *path) {
    // A raw key, so that no passphrase is stretched.
    const char *setup =
        "PRAGMA key = \"x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\";"
        "PRAGMA cipher_page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA wal_autocheckpoint = 0; CREATE TABLE rows(key TEXT NOT NULL UNIQUE, value BLOB NOT NULL)";
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
        != SQLITE_OK) fail("open");
    if (sqlite3_exec(database, setup, NULL, NULL, NULL) != SQLITE_OK) fail("setup");
    prepare("BEGIN IMMEDIATE", &begin);
    prepare("COMMIT", &commit);
    // Debian's version is older than upserts; every row that is written later exists, so an update is the least it can do.
    prepare("INSERT INTO rows(key, value) VALUES(?1, ?2)", &insert);
    prepare("UPDATE rows SET value = ?2 WHERE key = ?1", &update);
    prepare("SELECT value FROM rows WHERE key = ?1", &get);
}

static void move_log(void) {
    if (sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK) fail("log");
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    uint64_t rows = strtoull(argv[2], NULL, 10);
    uint64_t start = now();
    open_database(argv[1]);
    step(begin, "begin");
    for (uint64_t number = 0; number < rows; number++) write_row(insert, number);
    step(commit, "commit");
    move_log();
    printf("%" PRIu64 "\n", now() - start);
    fflush(stdout);
    char job[16];
    uint64_t count;
    while (scanf("%15s %" SCNu64, job, &count) == 2) {
        start = now();
        if (!strcmp(job, "read")) {
            for (uint64_t done = 0; done < count; done++) read_row(next_random() % rows);
        } else if (!strcmp(job, "write")) {
            for (uint64_t done = 0; done < count; done++) write_row(update, next_random() % rows);
        } else if (!strcmp(job, "together")) {
            step(begin, "begin");
            for (uint64_t done = 0; done < count; done++) write_row(update, next_random() % rows);
            step(commit, "commit");
        } else if (!strcmp(job, "log")) {
            move_log();
        } else {
            return 2;
        }
        printf("%" PRIu64 "\n", now() - start);
        fflush(stdout);
    }
    return 0;
}
