#include "floors.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct floor_cipher {
    EVP_CIPHER *algorithm;
    EVP_CIPHER_CTX *sealing;
    EVP_CIPHER_CTX *opening;
    uint64_t counter;
};

floor_cipher *floor_cipher_new(const uint8_t *key) {
    floor_cipher *cipher = calloc(1, sizeof *cipher);
    if (!cipher) return NULL;
    cipher->algorithm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    cipher->sealing = EVP_CIPHER_CTX_new();
    cipher->opening = EVP_CIPHER_CTX_new();
    if (cipher->algorithm && cipher->sealing && cipher->opening
        && EVP_CipherInit_ex2(cipher->sealing, cipher->algorithm, key, NULL, 1, NULL) == 1
        && EVP_CipherInit_ex2(cipher->opening, cipher->algorithm, key, NULL, 0, NULL) == 1) return cipher;
    floor_cipher_free(cipher);
    return NULL;
}

void floor_cipher_free(floor_cipher *cipher) {
    EVP_CIPHER_CTX_free(cipher->sealing);
    EVP_CIPHER_CTX_free(cipher->opening);
    EVP_CIPHER_free(cipher->algorithm);
    free(cipher);
}

int floor_seal(floor_cipher *cipher, const void *aad, size_t aad_count, const void *plain, size_t count, void *sealed) {
    uint8_t *out = sealed;
    int written;
    memset(out, 0, 4);
    cipher->counter++;
    memcpy(out + 4, &cipher->counter, 8);
    return EVP_EncryptInit_ex(cipher->sealing, NULL, NULL, NULL, out) == 1
        && EVP_EncryptUpdate(cipher->sealing, NULL, &written, aad, (int)aad_count) == 1
        && EVP_EncryptUpdate(cipher->sealing, out + 12, &written, plain, (int)count) == 1
        && EVP_EncryptFinal_ex(cipher->sealing, out + 12 + count, &written) == 1
        && EVP_CIPHER_CTX_ctrl(cipher->sealing, EVP_CTRL_AEAD_GET_TAG, 16, out + 12 + count) == 1;
}

int floor_open(floor_cipher *cipher, const void *aad, size_t aad_count, const void *sealed, size_t count, void *plain) {
    const uint8_t *in = sealed;
    int plain_count = (int)count - 28, written;
    uint8_t *out = plain;
    return EVP_DecryptInit_ex(cipher->opening, NULL, NULL, NULL, in) == 1
        && EVP_DecryptUpdate(cipher->opening, NULL, &written, aad, (int)aad_count) == 1
        && EVP_DecryptUpdate(cipher->opening, out, &written, in + 12, plain_count) == 1
        && EVP_CIPHER_CTX_ctrl(cipher->opening, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(in + count - 16)) == 1
        && EVP_DecryptFinal_ex(cipher->opening, out + plain_count, &written) == 1;
}

int floor_open_fresh(floor_cipher *cipher, const void *aad, size_t aad_count, const void *sealed, size_t count) {
    void *plain = malloc(count - 28);
    int opened = plain && floor_open(cipher, aad, aad_count, sealed, count, plain);
    free(plain);
    return opened;
}
