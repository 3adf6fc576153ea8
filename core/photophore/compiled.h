/* Processors that the functions in C know: what all of them that come with plugins ask the compiler, asked once. */
#ifndef PHOTOPHORE_COMPILED_H
#define PHOTOPHORE_COMPILED_H

#include <stdint.h> /* tells of glibc, too */

/* Instructions by name, for functions with a target of their own. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_X86 1
#else
#define HAS_X86 0
#endif

/* One build for each kind of x86 processor where the linker can choose between them. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#endif
#else
#define FOR_EACH_PROCESSOR
#endif

#endif
