#include "io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "io/shown.h"

namespace nala::io {
namespace {

using c10::ScalarType;

// In the order of the format's own list of dtypes, which its writer sorts by.
constexpr std::array<std::pair<std::string_view, ScalarType>, 17> kDtypes{{
    {"BOOL", ScalarType::Bool},
    {"U8", ScalarType::Byte},
    {"I8", ScalarType::Char},
    {"F8_E5M2", ScalarType::Float8_e5m2},
    {"F8_E4M3", ScalarType::Float8_e4m3fn},
    {"F8_E8M0", ScalarType::Float8_e8m0fnu},
    {"I16", ScalarType::Short},
    {"U16", ScalarType::UInt16},
    {"F16", ScalarType::Half},
    {"BF16", ScalarType::BFloat16},
    {"I32", ScalarType::Int},
    {"U32", ScalarType::UInt32},
    {"F32", ScalarType::Float},
    {"C64", ScalarType::ComplexFloat},
    {"F64", ScalarType::Double},
    {"I64", ScalarType::Long},
    {"U64", ScalarType::UInt64},
}};

constexpr size_t kMaxDimensions = 64;

// Receives the header's JSON piece by piece and allows only what the format has: an object of
// objects of {dtype, shape, data_offsets}, beside `__metadata__`, an object of text. What is nested
// deeper ends at once.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool null() override { refuse_value("null"); }
  bool boolean(bool) override { refuse_value("a truth value"); }
  bool number_integer(number_integer_t) override { refuse_value("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { refuse_value("a fraction"); }
  bool binary(binary_t&) override { refuse_value("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::shape && place_ != Place::offsets) {
      refuse_value("a number");
    }
    std::vector<uint64_t>& numbers = place_ == Place::shape ? shape_ : offsets_;
    if (numbers.size() == kMaxDimensions) {
      refuse("more than " + std::to_string(kMaxDimensions) + " numbers in '" + field_ + "'");
    }
    numbers.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header_.metadata[field_] = value;
    } else if (place_ == Place::entry && field_ == "dtype") {
      dtype_ = value;
    } else {
      refuse_value("text");
    }
    return true;
  }

  bool start_object(size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::root;
    } else if (place_ == Place::root) {
      place_ = name_ == "__metadata__" ? Place::metadata : Place::entry;
      fields_.clear();
      dtype_.clear();
      shape_.clear();
      offsets_.clear();
    } else {
      refuse_value("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::root) {
      name_ = value;
      field_.clear();
      if (!names_.insert(value).second) {
        refuse("the key occurs twice");
      }
      return true;
    }
    field_ = value;
    if (place_ == Place::entry && value != "dtype" && value != "shape" && value != "data_offsets") {
      refuse("unknown field " + in_quotes(value) + ", expected dtype, shape, data_offsets");
    }
    if (!fields_.insert(value).second) {
      refuse("the field " + in_quotes(value) + " occurs twice");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) {
      finish_entry();
    }
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::entry && field_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::entry && field_ == "data_offsets") {
      place_ = Place::offsets;
    } else {
      refuse_value("a list");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::entry;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    throw Error(ErrorKind::checkpoint, file_ + ": the header is not valid JSON near its byte " +
                                           std::to_string(position) +
                                           "; the file is damaged or no safetensors file");
  }

 private:
  enum class Place { outside, root, metadata, entry, shape, offsets };

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::checkpoint, file_ + ": " + in_quotes(name_) + ": " + what);
  }
  [[noreturn]] void refuse_value(const std::string& found) const {
    refuse("found " + found + (field_.empty() ? "" : " in " + in_quotes(field_)) +
           ", which the format does not allow there");
  }

  void finish_entry() {
    if (fields_.size() != 3) {
      refuse("expected dtype, shape and data_offsets, found " + std::to_string(fields_.size()) +
             " of the three");
    }
    const auto* const known = std::find_if(kDtypes.begin(), kDtypes.end(),
                                           [&](const auto& row) { return row.first == dtype_; });
    if (known == kDtypes.end()) {
      refuse("dtype " + in_quotes(dtype_) + " is not supported");
    }
    if (offsets_.size() != 2) {
      refuse("data_offsets has " + std::to_string(offsets_.size()) + " numbers, expected 2");
    }
    header_.entries.push_back({name_, known->second, checked_shape(), offsets_[0], offsets_[1]});
  }

  // Also guards the strides torch will compute: they multiply sizes with zeros taken as ones.
  [[nodiscard]] std::vector<int64_t> checked_shape() const {
    int64_t product = 16;  // the widest element, bytes
    for (const uint64_t size : shape_) {
      if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
          __builtin_mul_overflow(product, std::max<int64_t>(static_cast<int64_t>(size), 1),
                                 &product)) {
        refuse("the shape is too large");
      }
    }
    return {shape_.begin(), shape_.end()};
  }

  const std::string& file_;
  SafetensorsHeader& header_;
  Place place_ = Place::outside;
  std::string name_;   // key of the root
  std::string field_;  // key below it
  std::string dtype_;
  std::vector<uint64_t> shape_;
  std::vector<uint64_t> offsets_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> fields_;
};

uint64_t bytes_of(const SafetensorsEntry& entry) {
  uint64_t size = c10::elementSize(entry.dtype);
  for (const int64_t dimension : entry.shape) {
    size *= static_cast<uint64_t>(dimension);  // cannot overflow: checked_shape()
  }
  return size;
}

void check_sizes(const SafetensorsHeader& header, const std::string& file) {
  for (const SafetensorsEntry& entry : header.entries) {
    const uint64_t expected = bytes_of(entry);
    if (entry.end < entry.begin || entry.end - entry.begin != expected) {
      throw Error(ErrorKind::checkpoint, file + ": " + in_quotes(entry.name) + ": data_offsets [" +
                                             std::to_string(entry.begin) + ", " +
                                             std::to_string(entry.end) + "] do not fit shape " +
                                             shape_text(entry.shape) + ", which needs " +
                                             std::to_string(expected) + " bytes");
    }
  }
}

// The tensors in the order of their data must follow each other without hole or overlap to the end.
void check_tiling(const SafetensorsHeader& header, uint64_t data_size, const std::string& file) {
  std::vector<const SafetensorsEntry*> order;
  order.reserve(header.entries.size());
  for (const SafetensorsEntry& entry : header.entries) {
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t position = 0;
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin != position) {
      throw Error(ErrorKind::checkpoint, file + ": " + in_quotes(entry->name) + ": data begin at " +
                                             std::to_string(entry->begin) + ", expected " +
                                             std::to_string(position) +
                                             " (tensors must neither overlap nor leave a hole)");
    }
    position = entry->end;
  }
  if (position != data_size) {
    throw Error(ErrorKind::checkpoint, file + ": the file holds " + std::to_string(data_size) +
                                           " bytes of data, the header describes " +
                                           std::to_string(position) +
                                           "; the file is cut short or damaged");
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json,
                                           uint64_t data_size,
                                           const std::string& file) {
  if (json.empty() || json.front() != '{') {
    throw Error(ErrorKind::checkpoint,
                file + ": the header does not begin with '{'; this is no safetensors file");
  }
  SafetensorsHeader header;
  HeaderReader reader(file, header);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  check_sizes(header, file);
  check_tiling(header, data_size, file);
  return header;
}

std::string safetensors_header_json(const SafetensorsHeader& header, const std::string& file) {
  try {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    if (!header.metadata.empty()) {
      json["__metadata__"] = header.metadata;
    }
    // Written piece by piece: an ordered object looks through all its keys at every insertion.
    std::string text = json.dump();
    text.pop_back();
    for (const SafetensorsEntry& entry : header.entries) {
      const nlohmann::ordered_json value{{"dtype", kDtypes[*safetensors_rank(entry.dtype)].first},
                                         {"shape", entry.shape},
                                         {"data_offsets", {entry.begin, entry.end}}};
      text += text.size() > 1 ? "," : "";
      text += nlohmann::ordered_json(entry.name).dump() + ":";
      text += value.dump();
    }
    return text + "}";
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::checkpoint, file + ": a name or metadata text is not valid UTF-8");
  }
}

std::optional<size_t> safetensors_rank(c10::ScalarType dtype) {
  for (size_t rank = 0; rank < kDtypes.size(); ++rank) {
    if (kDtypes[rank].second == dtype) {
      return rank;
    }
  }
  return std::nullopt;
}

}  // namespace nala::io
