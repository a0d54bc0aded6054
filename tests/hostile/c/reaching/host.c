/* An import of its own: no component comes of it. */
__attribute__((import_module("wasi:random/random@0.2.0"), import_name("get-random-u64"))) unsigned long long anything(void);

#include <stdint.h>

uint64_t reached(void);

uint64_t reached(void) {
    return anything();
}
