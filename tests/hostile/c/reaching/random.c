/* Randomness: no component comes of it. */
#define _GNU_SOURCE /* getentropy is not of C11. */
#include <unistd.h>

#include <stdint.h>

uint64_t reached(void);

uint64_t reached(void) {
    uint64_t random = 0;
    return getentropy(&random, sizeof(random)) == 0 ? random : 0;
}
