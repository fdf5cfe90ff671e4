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

// Sets nonce and expected tag of an opening context in one call, which spares the detour of EVP_CIPHER_CTX_ctrl.
static inline int ck_decrypt_init(EVP_CIPHER_CTX *context, const unsigned char *nonce, unsigned char *tag) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, 16), OSSL_PARAM_construct_end()};
    return EVP_DecryptInit_ex2(context, NULL, NULL, nonce, parameters);
}
