/* A file: no component comes of it. */
#include <stdio.h>

#include <stdint.h>

uint64_t reached(void);

uint64_t reached(void) {
    return fopen("/etc/hostname", "r") != NULL;
}
