#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

// What TLS reads from and writes to in the place of a socket: the caller moves the bytes between here and the network, in
// calls as large as it likes and with flags of its own. A BIO of memory would clear and move its bytes on the way.
typedef struct {
    const unsigned char *received;
    size_t received_count;
    unsigned char *outgoing;
    size_t outgoing_count;
    size_t outgoing_capacity;
    int is_certificate_requested;
} ck_tls_buffers;

// More than any handshake message (100 KiB) or than is encrypted ahead.
#define CK_TLS_OUTGOING_LIMIT ((size_t)1 << 20)

static inline int ck_tls_bio_read(BIO *bio, char *bytes, int capacity) {
    ck_tls_buffers *buffers = (ck_tls_buffers *)BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (capacity <= 0) return 0;
    if (buffers->received_count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = buffers->received_count < (size_t)capacity ? buffers->received_count : (size_t)capacity;
    memcpy(bytes, buffers->received, count);
    buffers->received += count;
    buffers->received_count -= count;
    return (int)count;
}

// Takes everything: what was encrypted was numbered, and has to leave in this order.
static inline int ck_tls_bio_write(BIO *bio, const char *bytes, int count) {
    ck_tls_buffers *buffers = (ck_tls_buffers *)BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (count <= 0) return 0;
    size_t needed = buffers->outgoing_count + (size_t)count;
    if (needed > buffers->outgoing_capacity) {
        size_t capacity = buffers->outgoing_capacity ? buffers->outgoing_capacity : 8192;
        while (capacity < needed) capacity *= 2;
        unsigned char *grown = needed > CK_TLS_OUTGOING_LIMIT ? NULL : (unsigned char *)realloc(buffers->outgoing, capacity);
        if (!grown) return -1;
        buffers->outgoing = grown;
        buffers->outgoing_capacity = capacity;
    }
    memcpy(buffers->outgoing + buffers->outgoing_count, bytes, (size_t)count);
    buffers->outgoing_count = needed;
    return count;
}

static inline long ck_tls_bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static inline BIO_METHOD *ck_tls_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cachekit");
    if (!method) return NULL;
    BIO_meth_set_read(method, ck_tls_bio_read);
    BIO_meth_set_write(method, ck_tls_bio_write);
    BIO_meth_set_ctrl(method, ck_tls_bio_control);
    return method;
}

// Lets a connection work on buffers, which must outlive it.
static inline int ck_tls_attach(SSL *connection, const BIO_METHOD *method, ck_tls_buffers *buffers) {
    BIO *bio = BIO_new(method);
    if (!bio) return 0;
    BIO_set_data(bio, buffers);
    SSL_set_bio(connection, bio, bio);
    return 1;
}

// Remembers that the server asked for a certificate where there is none: without one its refusal has no clear reason.
static inline int ck_tls_certificate_requested(SSL *connection, X509 **certificate, EVP_PKEY **key) {
    (void)certificate, (void)key;
    ((ck_tls_buffers *)BIO_get_data(SSL_get_rbio(connection)))->is_certificate_requested = 1;
    return 0;
}

// Options and versions are macros, which Swift does not import. Sessions are kept by the caller.
static inline int ck_tls_configure(SSL_CTX *context, int minimum_version) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_cert_cb(context, ck_tls_certificate_requested);
    // The system's configuration may ask for more, and then has it.
    if (SSL_CTX_get_min_proto_version(context) >= minimum_version) return 1;
    return SSL_CTX_set_min_proto_version(context, minimum_version) == 1;
}

static inline int ck_tls_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate) == 1;
}

static inline int ck_tls_set_server_name(SSL *connection, const char *name) {
    return SSL_set_tlsext_host_name(connection, name) == 1;
}
