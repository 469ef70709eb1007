#include "io/pickle_calls.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "core/error.h"
#include "io/shown.h"

namespace nala::io {
namespace {

using c10::ScalarType;
using Kind = PickleValue::Kind;

constexpr size_t kMaxDimensions = 64;

constexpr std::array<std::pair<std::string_view, ScalarType>, 13> kStorages{{
    {"torch.DoubleStorage", ScalarType::Double},
    {"torch.FloatStorage", ScalarType::Float},
    {"torch.HalfStorage", ScalarType::Half},
    {"torch.BFloat16Storage", ScalarType::BFloat16},
    {"torch.LongStorage", ScalarType::Long},
    {"torch.IntStorage", ScalarType::Int},
    {"torch.ShortStorage", ScalarType::Short},
    {"torch.CharStorage", ScalarType::Char},
    {"torch.ByteStorage", ScalarType::Byte},
    {"torch.BoolStorage", ScalarType::Bool},
    {"torch.ComplexFloatStorage", ScalarType::ComplexFloat},
    {"torch.ComplexDoubleStorage", ScalarType::ComplexDouble},
    {"torch.storage.UntypedStorage", ScalarType::Byte},
}};

// Dtypes newer than typed storages: their tensors view an untyped storage.
constexpr std::array<std::pair<std::string_view, ScalarType>, 5> kNewDtypes{{
    {"torch.uint16", ScalarType::UInt16},
    {"torch.uint32", ScalarType::UInt32},
    {"torch.uint64", ScalarType::UInt64},
    {"torch.float8_e4m3fn", ScalarType::Float8_e4m3fn},
    {"torch.float8_e5m2", ScalarType::Float8_e5m2},
}};

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw Error(ErrorKind::checkpoint, file + ": its pickle is damaged: " + what);
}

ScalarType find_dtype(std::span<const std::pair<std::string_view, ScalarType>> table,
                      const PickleValue& name,
                      const std::string& file) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const auto& row) { return row.first == name.text; });
  if (name.kind != Kind::global || found == table.end()) {
    refuse(file, name.description() + " is no supported kind of tensor elements");
  }
  return found->second;
}

std::vector<int64_t> numbers_of(const PickleValue& tuple, const std::string& file) {
  if (tuple.kind != Kind::tuple || tuple.items.size() > kMaxDimensions) {
    refuse(file, "a tensor's sizes are " + tuple.description());
  }
  std::vector<int64_t> numbers;
  for (const PickleValue* item : tuple.items) {
    if (item->kind != Kind::integer || item->integer < 0) {
      refuse(file, "a tensor's sizes hold " + item->description() + ", expected numbers from 0");
    }
    numbers.push_back(item->integer);
  }
  return numbers;
}

// Every element inside the storage, and no more elements than it has: what is small in the file
// cannot become large in memory.
void check_place(const TensorPlace& place, const std::string& file) {
  bool fits = place.shape.size() == place.strides.size();
  int64_t count = 1;  // zeros taken as ones, as in the strides that torch computes
  int64_t last = place.offset;
  bool empty = false;
  for (size_t i = 0; fits && i < place.shape.size(); ++i) {
    const int64_t size = std::max<int64_t>(place.shape[i], 1);
    int64_t reach = 0;
    fits = !__builtin_mul_overflow(count, size, &count) &&
           !__builtin_mul_overflow(size - 1, place.strides[i], &reach) &&
           !__builtin_add_overflow(last, reach, &last);
    empty = empty || place.shape[i] == 0;
  }
  constexpr int64_t kMaxElements = std::numeric_limits<int64_t>::max() / 16;
  fits = fits && count <= kMaxElements;
  if (!fits || (!empty && (last >= place.storage_size || count > place.storage_size))) {
    refuse(file, "a tensor of shape " + shape_text(place.shape) + " does not fit its storage of " +
                     std::to_string(place.storage_size) + " elements");
  }
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), and _v3 with a dtype.
PickleValue rebuild_tensor(const std::vector<const PickleValue*>& arguments,
                           bool with_dtype,
                           const std::string& file) {
  if (arguments.size() < (with_dtype ? 7U : 4U) || arguments[0]->kind != Kind::storage ||
      arguments[1]->kind != Kind::integer || arguments[1]->integer < 0) {
    refuse(file, "a tensor's description is incomplete");
  }
  TensorPlace place = *arguments[0]->place;
  if (with_dtype) {
    place.dtype = find_dtype(kNewDtypes, *arguments[6], file);
    place.storage_size /= static_cast<int64_t>(c10::elementSize(place.dtype));
  }
  place.offset = arguments[1]->integer;
  place.shape = numbers_of(*arguments[2], file);
  place.strides = numbers_of(*arguments[3], file);
  check_place(place, file);
  return {.kind = Kind::tensor, .place = std::make_shared<const TensorPlace>(std::move(place))};
}

PickleValue make_dict(const std::vector<const PickleValue*>& arguments, const std::string& file) {
  PickleValue dict{.kind = Kind::dict};
  if (arguments.size() == 1 && arguments[0]->kind == Kind::list) {
    for (const PickleValue* pair : arguments[0]->items) {
      if (pair->items.size() != 2) {
        refuse(file, "a dict is made of " + pair->description() + ", expected pairs");
      }
      dict.entries.emplace_back(pair->items[0], pair->items[1]);
    }
  }
  return dict;
}

// Code points up to 255 as UTF-8, back to the bytes they stand for.
PickleValue decode_latin1(const std::string& text, const std::string& file) {
  PickleValue bytes{.kind = Kind::bytes};
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const bool pair = (byte == 0xc2 || byte == 0xc3) && i + 1 < text.size();
    if (byte >= 0x80 && !pair) {
      refuse(file, "bytes are written as text that is not Latin-1");
    }
    bytes.text += pair ? static_cast<char>((byte << 6) | (text[++i] & 0x3f)) : text[i];
  }
  return bytes;
}

template <class T>
PickleValue number(const std::string& bytes, Kind kind) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  if (kind == Kind::real) {
    return {.kind = kind, .real = static_cast<double>(value)};
  }
  return {.kind = kind, .integer = static_cast<int64_t>(value)};
}

struct NumpyFormat {
  std::string_view name;
  size_t size;
  PickleValue (*read)(const std::string& bytes);
};
constexpr std::array<NumpyFormat, 10> kNumpyFormats{{
    {"f8", 8, [](const std::string& b) { return number<double>(b, Kind::real); }},
    {"f4", 4, [](const std::string& b) { return number<float>(b, Kind::real); }},
    {"i8", 8, [](const std::string& b) { return number<int64_t>(b, Kind::integer); }},
    {"i4", 4, [](const std::string& b) { return number<int32_t>(b, Kind::integer); }},
    {"i2", 2, [](const std::string& b) { return number<int16_t>(b, Kind::integer); }},
    {"i1", 1, [](const std::string& b) { return number<int8_t>(b, Kind::integer); }},
    {"u4", 4, [](const std::string& b) { return number<uint32_t>(b, Kind::integer); }},
    {"u2", 2, [](const std::string& b) { return number<uint16_t>(b, Kind::integer); }},
    {"u1", 1, [](const std::string& b) { return number<uint8_t>(b, Kind::integer); }},
    {"b1", 1,
     [](const std::string& b) {
       return PickleValue{.kind = Kind::boolean, .integer = b[0] != 0 ? 1 : 0};
     }},
}};

bool big_endian(const PickleValue& dtype) {
  return dtype.state != nullptr && dtype.state->items.size() > 1 &&
         dtype.state->items[1]->text == ">";
}

// scalar(dtype('f8', ...), bytes); what is not a plain number stays opaque.
PickleValue numpy_scalar(const PickleValue& opaque) {
  if (opaque.items.size() != 2 || opaque.items[0]->text != "numpy.dtype" ||
      opaque.items[0]->items.empty() || opaque.items[1]->kind != Kind::bytes ||
      big_endian(*opaque.items[0])) {
    return opaque;
  }
  const std::string& format = opaque.items[0]->items[0]->text;
  const std::string& bytes = opaque.items[1]->text;
  const auto* const known = std::find_if(
      kNumpyFormats.begin(), kNumpyFormats.end(),
      [&](const NumpyFormat& row) { return row.name == format && row.size == bytes.size(); });
  return known == kNumpyFormats.end() ? opaque : known->read(bytes);
}

bool is_one_of(const std::string& name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

PickleValue pickle_call(const PickleValue& function,
                        const PickleValue& arguments,
                        const std::string& file) {
  const auto& items = arguments.items;
  PickleValue opaque{.kind = Kind::object, .text = function.text, .items = items};
  if (function.kind != Kind::global) {
    return opaque;
  }
  const std::string& name = function.text;
  if (is_one_of(name, {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"})) {
    return rebuild_tensor(items, name.back() == '3', file);
  }
  if (is_one_of(name, {"torch._utils._rebuild_parameter",
                       "torch._utils._rebuild_parameter_with_state"}) &&
      !items.empty() && items[0]->kind == Kind::tensor) {
    return *items[0];
  }
  if (is_one_of(name, {"collections.OrderedDict", "collections.defaultdict", "builtins.dict",
                       "__builtin__.dict"})) {
    return make_dict(items, file);
  }
  if (is_one_of(name, {"builtins.set", "__builtin__.set", "builtins.frozenset",
                       "__builtin__.frozenset"})) {
    return {.kind = Kind::set,
            .items = items.empty() ? std::vector<const PickleValue*>{} : items[0]->items};
  }
  if (name == "_codecs.encode" && items.size() == 2 && items[1]->text == "latin1") {
    return decode_latin1(items[0]->text, file);
  }
  if (is_one_of(name, {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"})) {
    return numpy_scalar(opaque);
  }
  return opaque;
}

PickleValue pickle_storage(const PickleValue& id, const std::string& file) {
  const auto& items = id.items;
  if (id.kind != Kind::tuple || items.size() < 5 || items[0]->text != "storage" ||
      items[2]->kind != Kind::text || items[4]->kind != Kind::integer || items[4]->integer < 0) {
    refuse(file, "a storage's description is incomplete");
  }
  TensorPlace place{.storage = items[2]->text,
                    .dtype = find_dtype(kStorages, *items[1], file),
                    .storage_size = items[4]->integer};
  return {.kind = Kind::storage, .place = std::make_shared<const TensorPlace>(std::move(place))};
}

}  // namespace nala::io
