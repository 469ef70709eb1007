// What a pickle describes, without the power to do anything.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nala::io {

/// Where a tensor's elements lie: the record of its storage in the archive, and how to view it.
struct TensorPlace {
  std::string storage;  ///< key of the record
  c10::ScalarType dtype = c10::ScalarType::Undefined;
  int64_t storage_size = 0;  ///< elements of `dtype`, as the pickle states it
  int64_t offset = 0;        ///< of the first element, in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

/// One value; refers to others of the same Pickle.
struct PickleValue {
  enum class Kind {
    none,
    boolean,  ///< `integer`, 0 or 1
    integer,
    real,
    text,  ///< UTF-8 as found, not checked
    bytes,
    list,
    tuple,
    set,
    dict,
    tensor,   ///< `place`: inside its storage, checked
    storage,  ///< `place`: the whole storage
    global,   ///< `text` is the dotted name of a class or function; nothing was imported
    object,   ///< made by the class or function named `text`, which was not called
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text;                       ///< of text, bytes, global, object
  std::vector<const PickleValue*> items;  ///< of list, tuple, set; an object's arguments
  std::vector<std::pair<const PickleValue*, const PickleValue*>> entries;  ///< of dict, in order
  const PickleValue* state = nullptr;  ///< of an object, or null
  std::shared_ptr<const TensorPlace> place;

  /// A dict's last value of a text key, or null.
  [[nodiscard]] const PickleValue* find(std::string_view key) const;
  /// What this is, for messages: "a dict", "an object of argparse.Namespace".
  [[nodiscard]] std::string description() const;
};

/// A whole pickle. Values may be shared and may contain themselves: whoever walks them limits
/// depth.
struct Pickle {
  std::deque<PickleValue> values;  ///< owns all; addresses do not change
  const PickleValue* root = nullptr;
};

}  // namespace nala::io
