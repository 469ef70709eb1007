#include "golden_file.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace nala::cuda_host {

std::map<std::string, FloatTensor> float_tensors(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) {
    throw std::runtime_error(path.string() + ": cannot be read");
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  const std::string data = bytes.substr(8 + header_bytes);
  std::map<std::string, FloatTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__" || entry.at("dtype") != "F32") {
      continue;
    }
    const auto begin = entry.at("data_offsets").at(0).get<size_t>();
    const auto end = entry.at("data_offsets").at(1).get<size_t>();
    if (begin > end || end > data.size() || (end - begin) % sizeof(float) != 0) {
      throw std::runtime_error(path.string() + ": " + name + ": offsets outside the file");
    }
    FloatTensor tensor{entry.at("shape").get<std::vector<int64_t>>(), {}};
    tensor.values.resize((end - begin) / sizeof(float));
    std::memcpy(tensor.values.data(), data.data() + begin, end - begin);
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

}  // namespace nala::cuda_host
