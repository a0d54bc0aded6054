/* The environment: no component comes of it. */
#include <stdlib.h>

#include <stdint.h>

uint64_t reached(void);

uint64_t reached(void) {
    return getenv("HOME") != NULL;
}
