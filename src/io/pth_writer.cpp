#include "io/pth_writer.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace nala::io {
namespace {

std::string_view storage_class(const std::string& name, at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "DoubleStorage";
    case at::kFloat:
      return "FloatStorage";
    case at::kHalf:
      return "HalfStorage";
    case at::kBFloat16:
      return "BFloat16Storage";
    case at::kLong:
      return "LongStorage";
    case at::kInt:
      return "IntStorage";
    case at::kShort:
      return "ShortStorage";
    case at::kChar:
      return "CharStorage";
    case at::kByte:
      return "ByteStorage";
    case at::kBool:
      return "BoolStorage";
    default:
      throw Error(ErrorKind::checkpoint,
                  name + ": dtype " + c10::toString(type) + " has no place in a .pth");
  }
}

// The few operations of Python's pickle, protocol 2, that a state dict takes.
class Pickle {
 public:
  Pickle() { bytes_ = "\x80\x02"; }

  [[nodiscard]] std::string finish() { return bytes_ + '.'; }

  void mark() { bytes_ += '('; }
  void tuple() { bytes_ += 't'; }
  void empty_tuple() { bytes_ += ')'; }
  void empty_dict() { bytes_ += '}'; }
  void set_items() { bytes_ += 'u'; }
  void call() { bytes_ += 'R'; }
  void persistent_id() { bytes_ += 'Q'; }
  void no() { bytes_ += '\x89'; }
  void name(std::string_view module, std::string_view what) {
    bytes_.append("c").append(module).append("\n").append(what).append("\n");
  }
  void text(std::string_view utf8) {
    bytes_ += 'X';
    little_endian(utf8.size(), 4);
    bytes_ += utf8;
  }
  void number(int64_t value) {
    if (value >= 0 && value <= std::numeric_limits<int32_t>::max()) {
      bytes_ += 'J';
      little_endian(static_cast<uint64_t>(value), 4);
    } else {
      bytes_ += "\x8a\x08";
      little_endian(static_cast<uint64_t>(value), 8);
    }
  }
  void numbers(at::IntArrayRef values) {
    mark();
    for (const int64_t value : values) {
      number(value);
    }
    tuple();
  }

 private:
  void little_endian(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) {
      bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    }
  }

  std::string bytes_;
};

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)
void add_tensor(Pickle& pickle,
                const std::string& key,
                const std::string& name,
                const at::Tensor& tensor) {
  pickle.name("torch._utils", "_rebuild_tensor_v2");
  pickle.mark();
  pickle.mark();
  pickle.text("storage");
  pickle.name("torch", storage_class(name, tensor.scalar_type()));
  pickle.text(key);
  pickle.text("cpu");
  pickle.number(tensor.numel());
  pickle.tuple();
  pickle.persistent_id();
  pickle.number(0);
  pickle.numbers(tensor.sizes());
  pickle.numbers(tensor.strides());
  pickle.no();
  pickle.name("collections", "OrderedDict");
  pickle.empty_tuple();
  pickle.call();
  pickle.tuple();
  pickle.call();
}

std::string pickled(const NamedTensors& tensors) {
  Pickle pickle;
  pickle.empty_dict();
  pickle.mark();
  pickle.text("model");
  pickle.empty_dict();
  pickle.mark();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    TORCH_CHECK(tensor.is_contiguous() && tensor.device().is_cpu(), name, ": not contiguous");
    pickle.text(name);
    add_tensor(pickle, std::to_string(i), name, tensor);
  }
  pickle.set_items();
  pickle.set_items();
  return pickle.finish();
}

}  // namespace

void write_pth(const std::filesystem::path& path, const NamedTensors& tensors) {
  const std::string data = pickled(tensors);
  FileWriter file(path);
  caffe2::serialize::PyTorchStreamWriter archive([&](const void* bytes, size_t size) {
    file.write(bytes, size);
    return size;
  });
  archive.writeRecord("data.pkl", data.data(), data.size());
  constexpr std::string_view kByteOrder = "little";
  archive.writeRecord("byteorder", kByteOrder.data(), kByteOrder.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& tensor = tensors[i].second;
    archive.writeRecord("data/" + std::to_string(i), tensor.const_data_ptr(), tensor.nbytes());
  }
  archive.writeEndOfFile();
  file.commit();
}

}  // namespace nala::io
