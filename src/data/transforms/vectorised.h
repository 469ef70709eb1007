// NALA_VECTORISED: compiles a function for AVX2 as well and picks at run time. Only for
// arithmetic whose results cannot differ: whole numbers, or files compiled without contraction.
#pragma once

// The sanitizers are not ready yet when the choice is made at program start.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NALA_VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define NALA_VECTORISED
#endif
