#include "io/safetensors.h"

#include <torch/torch.h>

#include <algorithm>
#include <bit>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "io/byte_source.h"
#include "io/safetensors_header.h"
#include "io/shown.h"
#include "io/truth_values.h"

namespace nala::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr uint64_t kPrefix = 8;  // the header's size stands in front of it

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw Error(ErrorKind::checkpoint, file + ": " + what);
}

SafetensorsHeader read_header(const ByteSource& source, uint64_t& data_begin) {
  if (source.size() < kPrefix) {
    refuse(source.name(), "has " + std::to_string(source.size()) +
                              " bytes; a safetensors file begins with 8 bytes of header size");
  }
  uint64_t size = 0;
  source.read(0, &size, kPrefix);
  if (size > kMaxSafetensorsHeader || size > source.size() - kPrefix) {
    refuse(source.name(), "announces a header of " + std::to_string(size) + " bytes in a file of " +
                              std::to_string(source.size()) +
                              "; it is cut short or no safetensors file");
  }
  data_begin = kPrefix + size;
  return parse_safetensors_header(source.read(kPrefix, size), source.size() - data_begin,
                                  source.name());
}

Safetensors read_from(const ByteSource& source) {
  uint64_t data_begin = 0;
  SafetensorsHeader header = read_header(source, data_begin);
  Safetensors result{.metadata = std::move(header.metadata)};
  result.tensors.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    at::Tensor tensor = at::empty(entry.shape, entry.dtype);  // the header's shape
    source.read(data_begin + entry.begin, tensor.mutable_data_ptr(), entry.end - entry.begin);
    check_truth_values(tensor, source.name(), entry.name);
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return result;
}

// What will be written: the header with its prefix and padding, and the tensors behind it in order.
struct Plan {
  std::string head;
  std::vector<at::Tensor> tensors;
};

void check_writable(const NamedTensors& tensors, const std::string& file) {
  std::set<std::string_view> names{"__metadata__"};
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) {
      refuse(file, in_quotes(name) + ": cannot be written: the name is taken");
    }
    if (!tensor.defined() || tensor.layout() != at::kStrided ||
        !safetensors_rank(tensor.scalar_type())) {
      refuse(file,
             in_quotes(name) + ": cannot be written: no dense tensor of a dtype of the format");
    }
  }
}

Plan plan(const NamedTensors& tensors,
          const std::map<std::string, std::string>& metadata,
          const std::string& file) {
  check_writable(tensors, file);
  std::vector<const NamedTensors::value_type*> order;
  for (const auto& named : tensors) {
    order.push_back(&named);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const auto rank_a = safetensors_rank(a->second.scalar_type());
    const auto rank_b = safetensors_rank(b->second.scalar_type());
    return rank_a != rank_b ? rank_a > rank_b : a->first < b->first;
  });
  Plan result;
  SafetensorsHeader header{.metadata = metadata};
  uint64_t position = 0;
  for (const auto* named : order) {
    const at::Tensor& tensor = named->second;
    const uint64_t end = position + static_cast<uint64_t>(tensor.numel()) * tensor.element_size();
    header.entries.push_back(
        {named->first, tensor.scalar_type(), tensor.sizes().vec(), position, end});
    result.tensors.push_back(tensor);
    position = end;
  }
  std::string json = safetensors_header_json(header, file);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > kMaxSafetensorsHeader) {
    refuse(file, "cannot be written: the header would be larger than the format allows");
  }
  const uint64_t size = json.size();
  result.head.assign(reinterpret_cast<const char*>(&size), kPrefix);
  result.head += json;
  return result;
}

template <class Write>
void write_to(const Plan& plan, Write&& write) {
  write(plan.head.data(), plan.head.size());
  for (const at::Tensor& tensor : plan.tensors) {
    const at::Tensor packed =  // the tensor's shape
        tensor.detach().cpu().resolve_conj().resolve_neg().contiguous();
    write(static_cast<const char*>(packed.const_data_ptr()), packed.nbytes());
  }
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  return read_from(ByteSource::of_file(path));
}

Safetensors parse_safetensors(std::string_view bytes, const std::string& name) {
  return read_from(ByteSource::of_memory(bytes, name));
}

void write_safetensors(const std::filesystem::path& path,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const Plan whole = plan(tensors, metadata, path.string());
  FileWriter file(path);
  write_to(whole, [&](const char* bytes, size_t size) { file.write(bytes, size); });
  file.commit();
}

std::string safetensors_bytes(const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::string all;
  write_to(plan(tensors, metadata, "safetensors"),
           [&](const char* bytes, size_t size) { all.append(bytes, size); });
  return all;
}

}  // namespace nala::io
