// The few functions and classes whose results are known without calling them.
#pragma once

#include <string>

#include "io/pickle_value.h"

namespace nala::io {

/// What `function(*arguments)` makes. Known: OrderedDict, defaultdict, dict, set, frozenset, bytes
/// (as protocol 2 writes them), numpy scalars, torch's tensors and parameters; anything else
/// becomes an opaque object that carries the name and the arguments. `arguments` is a tuple.
///
/// A tensor's place is checked here: dtype, non-negative sizes and strides, every element inside
/// its storage, no more elements than the storage has; all without overflow. Throws
/// Error(checkpoint) beginning with `file`.
PickleValue pickle_call(const PickleValue& function,
                        const PickleValue& arguments,
                        const std::string& file);

/// The storage of a persistent id ('storage', class, key, device, size), as torch.save writes them.
PickleValue pickle_storage(const PickleValue& id, const std::string& file);

}  // namespace nala::io
