// What AddressSanitizer and ThreadSanitizer must be told about fibers; nothing in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SHIM_ASAN(...) __VA_ARGS__
#else
#define SHIM_ASAN(...)
#endif

// A fiber is a thread to ThreadSanitizer, and barriers are the only order between fibers: a missing
// barrier in a kernel is then a reported data race.
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define SHIM_TSAN(...) __VA_ARGS__
#else
#define SHIM_TSAN(...)
#endif

// On functions that touch the shim's own state, which is no kernel's race.
#define SHIM_UNSEEN __attribute__((no_sanitize("thread")))
