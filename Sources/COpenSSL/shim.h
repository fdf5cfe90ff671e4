#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include "tls.h"

// EVP_DecryptInit_ex asks the provider for the nonce's length and looks through its parameters twice per call: 85 of the 260 ns
// that opening 64 bytes takes. The provider's TLS parameters set a nonce alone; of all 12 bytes, after "tlsivfixed" was set once
// with length -1, which stands for the whole nonce (EVP_EncryptInit(3), "tlsivfixed" and "tlsivinv").
static inline int ck_decrypt_prepare(EVP_CIPHER_CTX *context) {
    unsigned char nonce[12] = {0};
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nonce, (size_t)-1),
        OSSL_PARAM_construct_end()};
    return EVP_CIPHER_CTX_set_params(context, parameters);
}

// Sets nonce and expected tag of a prepared context.
static inline int ck_decrypt_begin(EVP_CIPHER_CTX *context, unsigned char *nonce, unsigned char *tag) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, 16),
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, nonce, 12),
        OSSL_PARAM_construct_end()};
    return EVP_CIPHER_CTX_set_params(context, parameters);
}

// SHA-256 on a state in memory of ours: copying one is copying 112 bytes, where EVP duplicates a context on the heap. These
// calls are deprecated in favour of EVP, and Swift warns of each use.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
static inline int ck_sha256_init(SHA256_CTX *state) { return SHA256_Init(state); }
static inline int ck_sha256_update(SHA256_CTX *state, const void *bytes, size_t count) {
    return SHA256_Update(state, bytes, count);
}
static inline int ck_sha256_final(unsigned char *digest, SHA256_CTX *state) { return SHA256_Final(digest, state); }
#pragma clang diagnostic pop
