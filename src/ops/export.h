// Marks what libnala_ops.so shows; everything else of it is hidden.
#pragma once

#define NALA_OPS_API __attribute__((visibility("default")))
