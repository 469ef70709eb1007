#include "io/safetensors.h"

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace nala::io {
namespace {

// Written by Python's safetensors 0.8: safetensors.torch.save of {'b.weight', 'a.count', 'h',
// 'flag', 'empty'}.
constexpr std::string_view kFromPython{
    "P\001\000\000\000\000\000\000"
    R"({"__metadata__":{"format":"pt"},"a.count":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
    R"("b.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},)"
    R"("h":{"dtype":"BF16","shape":[3],"data_offsets":[32,38]},)"
    R"("empty":{"dtype":"F16","shape":[0,3],"data_offsets":[38,38]},)"
    R"("flag":{"dtype":"BOOL","shape":[3],"data_offsets":[38,41]}}       )"
    "\007\000\000\000\000\000\000\000"
    "\000\000\300\077\000\000\000\300\000\000P@\000\000\000\000\000\000\000\277o\022\203:"
    "\200\077\000\300\000\077\001\000\001",
    385};

NamedTensors python_tensors() {
  return {{"b.weight", torch::tensor({{1.5F, -2.0F, 3.25F}, {0.0F, -0.5F, 1e-3F}})},
          {"a.count", torch::tensor(int64_t{7})},
          {"h", torch::tensor({1.0F, -2.0F, 0.5F}).to(torch::kBFloat16)},
          {"flag", torch::tensor({true, false, true})},
          {"empty", torch::zeros({0, 3}, torch::kHalf)}};
}

const at::Tensor& get(const Safetensors& file, std::string_view name) {
  const auto found = std::find_if(file.tensors.begin(), file.tensors.end(),
                                  [&](const auto& named) { return named.first == name; });
  if (found == file.tensors.end()) {
    throw std::out_of_range(std::string(name));
  }
  return found->second;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + data;
}

std::string file_error(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "x.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
    const std::string message = error.what();
    EXPECT_EQ(message.rfind("x.safetensors: ", 0), 0U) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  return "accepted";
}

class SafetensorsFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("nala_safetensors_" + std::to_string(::getpid()) + "_" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST(Safetensors, ReadsWhatPythonWrote) {
  const Safetensors file = parse_safetensors(kFromPython, "x");
  ASSERT_EQ(file.tensors.size(), 5U);
  EXPECT_EQ(file.tensors[0].first, "a.count");
  EXPECT_EQ(file.tensors[4].first, "flag");
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  for (const auto& [name, expected] : python_tensors()) {
    const at::Tensor& found = get(file, name);
    EXPECT_EQ(found.scalar_type(), expected.scalar_type()) << name;
    EXPECT_TRUE(found.is_contiguous()) << name;
    EXPECT_TRUE(torch::equal(found, expected)) << name;
  }
}

TEST(Safetensors, WritesTheBytesPythonWrites) {
  EXPECT_EQ(safetensors_bytes(python_tensors(), {{"format", "pt"}}), kFromPython);
  NamedTensors backwards = python_tensors();
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(safetensors_bytes(backwards, {{"format", "pt"}}), kFromPython);
}

TEST(Safetensors, EveryDtypeSurvives) {
  using torch::kInt;
  const std::vector<c10::ScalarType> dtypes{torch::kBool,
                                            torch::kByte,
                                            torch::kChar,
                                            torch::kFloat8_e5m2,
                                            torch::kShort,
                                            torch::kUInt16,
                                            torch::kFloat8_e4m3fn,
                                            torch::kHalf,
                                            kInt,
                                            torch::kUInt32,
                                            torch::kBFloat16,
                                            torch::kFloat,
                                            torch::kComplexFloat,
                                            torch::kDouble,
                                            torch::kLong,
                                            torch::kUInt64,
                                            c10::ScalarType::Float8_e8m0fnu};
  NamedTensors tensors;
  for (const c10::ScalarType dtype : dtypes) {
    at::Tensor bytes = torch::arange(48, torch::kByte).remainder(2);  // (48,)
    tensors.emplace_back(c10::toString(dtype), bytes.view(dtype));
  }
  const Safetensors back = parse_safetensors(safetensors_bytes(tensors), "x");
  ASSERT_EQ(back.tensors.size(), dtypes.size());
  for (const auto& [name, expected] : tensors) {
    EXPECT_EQ(get(back, name).scalar_type(), expected.scalar_type()) << name;
    EXPECT_TRUE(torch::equal(get(back, name).view(torch::kByte), expected.view(torch::kByte)))
        << name;
  }
}

TEST(Safetensors, StridesAreWrittenAway) {
  const at::Tensor base = torch::arange(24, torch::kInt).reshape({2, 3, 4});
  const NamedTensors tensors{{"transposed", base.permute({2, 0, 1})},
                             {"slice", base.slice(2, 1, 4, 2)},
                             {"expanded", base.select(0, 0).unsqueeze(0).expand({5, 3, 4})}};
  const Safetensors back = parse_safetensors(safetensors_bytes(tensors), "x");
  for (const auto& [name, expected] : tensors) {
    EXPECT_TRUE(get(back, name).is_contiguous());
    EXPECT_TRUE(torch::equal(get(back, name), expected)) << name;
  }
}

TEST(Safetensors, DataBeginAtAMultipleOfEight) {
  std::string name;
  for (int length = 1; length < 10; ++length) {
    name += 'n';
    const std::string bytes = safetensors_bytes({{name, torch::ones({3})}});
    uint64_t size = 0;
    std::copy_n(bytes.data(), 8, reinterpret_cast<char*>(&size));
    EXPECT_EQ(size % 8, 0U);
    EXPECT_EQ(bytes.size(), 8 + size + 12);
  }
}

TEST(Safetensors, NamesOfAnyTextAndNoTensors) {
  const NamedTensors odd{{"quote\"back\\slash", torch::ones({1})},
                         {"größe ü", torch::ones({1})},
                         {"", torch::ones({1})}};
  const Safetensors back = parse_safetensors(safetensors_bytes(odd, {{"ä\n", "\t\""}}), "x");
  EXPECT_EQ(back.tensors.size(), 3U);
  EXPECT_NO_THROW(get(back, "quote\"back\\slash"));
  EXPECT_EQ(back.metadata.at("ä\n"), "\t\"");
  EXPECT_TRUE(parse_safetensors(safetensors_bytes({}), "x").tensors.empty());
}

TEST(Safetensors, RefusesToWriteWhatTheFormatLacks) {
  const at::Tensor one = torch::ones({1});
  EXPECT_THROW(safetensors_bytes({{"a", one}, {"a", one}}), Error);
  EXPECT_THROW(safetensors_bytes({{"__metadata__", one}}), Error);
  EXPECT_THROW(safetensors_bytes({{"\xff", one}}), Error);
  EXPECT_THROW(safetensors_bytes({{"a", one}}, {{"k", "\xc0"}}), Error);
  EXPECT_THROW(safetensors_bytes({{"a", at::Tensor()}}), Error);
  EXPECT_THROW(safetensors_bytes({{"a", one.to(torch::kComplexDouble)}}), Error);
  EXPECT_THROW(safetensors_bytes({{"a", one.to_sparse()}}), Error);
}

TEST(Safetensors, RefusesDamagedSizes) {
  EXPECT_NE(file_error("").find("0 bytes"), std::string::npos);
  EXPECT_NE(file_error("1234567").find("7 bytes"), std::string::npos);
  EXPECT_NE(file_error(std::string(8, '\0')).find("'{'"), std::string::npos);
  EXPECT_NE(file_error(std::string(8, '\xff') + "{}").find("18446744073709551615"),
            std::string::npos);
  EXPECT_NE(file_error(file_of("{}").replace(0, 1, "\003")).find("announces a header of 3"),
            std::string::npos);
  EXPECT_NE(file_error(file_of(" {}")).find("'{'"), std::string::npos);
  const std::string good(kFromPython);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(file_error(good.substr(0, size)), "accepted") << size;
  }
  EXPECT_NE(file_error(good + '\0').find("holds 42 bytes of data, the header describes 41"),
            std::string::npos);
}

struct Attack {
  const char* header;
  size_t data;
  const char* complaint;
};

TEST(Safetensors, RefusesHostileHeaders) {
  const Attack attacks[] = {
      {R"({"a":)", 0, "not valid JSON"},
      {R"({} x)", 0, "not valid JSON"},
      {"{\"\xff\":1}", 0, "not valid JSON"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
       1, "'a': the key occurs twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "occurs twice"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' occurs twice"},
      {R"({"__metadata__":{"k":1}})", 0, "found a number in 'k'"},
      {R"({"__metadata__":{"k":{}}})", 0, "found an object in 'k'"},
      {R"({"__metadata__":{"k":["v"]}})", 0, "found a list in 'k'"},
      {R"({"__metadata__":"k"})", 0, "'__metadata__': found text"},
      {R"({"a":[]})", 0, "'a': found a list"},
      {R"({"a":null})", 0, "'a': found null"},
      {R"({"a":{"dtype":"I8","shape":[[1]],"data_offsets":[0,1]}})", 1, "found a list in 'shape'"},
      {R"({"a":{"dtype":"I8","shape":[{}],"data_offsets":[0,1]}})", 1, "found an object"},
      {R"({"a":{"dtype":"I8","shape":["1"],"data_offsets":[0,1]}})", 1, "found text"},
      {R"({"a":{"dtype":"I8","shape":[1.0],"data_offsets":[0,1]}})", 1, "found a fraction"},
      {R"({"a":{"dtype":"I8","shape":[true],"data_offsets":[0,1]}})", 1, "found a truth value"},
      {R"({"a":{"dtype":"I8","shape":[-1],"data_offsets":[0,1]}})", 1, "found a negative number"},
      {R"({"a":{"dtype":"I8","shape":1,"data_offsets":[0,1]}})", 1, "found a number in 'shape'"},
      {R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, "found a number in 'dtype'"},
      {R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1, "dtype 'F4'"},
      {R"({"a":{"dtype":"I8","shape":[1]}})", 1, "found 2 of the three"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1],"x":1}})", 1, "unknown field 'x'"},
      {R"({"a":{"dtype":"I8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1,
       "'dtype' occurs twice"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1,2]}})", 1, "3 numbers"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0]}})", 1, "1 numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "do not fit shape [2], which needs 8 bytes"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[1,0]}})", 1, "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4,
       "shape is too large"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4,
       "shape is too large"},
      {R"({"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "shape is too large"},
      {R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,0]}})", 0,
       "found a fraction"},
      // Overlapping tensors: many times the file's size in memory.
      {R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}})",
       4, "'b': data begin at 0, expected 4"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})", 2,
       "'a': data begin at 1, expected 0"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"I8","shape":[1],"data_offsets":[2,3]}})",
       3, "'b': data begin at 2, expected 1"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 0,
       "holds 0 bytes of data, the header describes 1"},
      {R"({"a":{"dtype":"I8","shape":[0],"data_offsets":[9,9]}})", 0, "expected 0"},
      {R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 1, "neither 0 nor 1"},
  };
  for (const Attack& attack : attacks) {
    const std::string message =
        file_error(file_of(attack.header, std::string(attack.data, '\002')));
    EXPECT_NE(message.find(attack.complaint), std::string::npos)
        << attack.header << "\ngave: " << message;
  }
}

TEST(Safetensors, RefusesDepthWithoutRecursion) {
  EXPECT_NE(file_error(file_of(R"({"a":)" + std::string(2'000'000, '['))), "accepted");
  EXPECT_NE(file_error(file_of(R"({"a":{"shape":)" + std::string(2'000'000, '['))), "accepted");
  std::string shape = "1";
  for (int i = 0; i < 100; ++i) {
    shape += ",1";
  }
  EXPECT_NE(
      file_error(
          file_of(R"({"a":{"dtype":"I8","shape":[)" + shape + R"(],"data_offsets":[0,1]}})", "1"))
          .find("more than 64"),
      std::string::npos);
}

TEST(Safetensors, HostileNamesStayOnOneShortLine) {
  const std::string name(100'000, 'n');
  const std::string message = file_error(file_of(R"({"\n\u0007)" + name + R"(":{"dtype":"I8"}})"));
  EXPECT_LT(message.size(), 400U);
  EXPECT_NE(message.find("'??nnn"), std::string::npos);
}

TEST_F(SafetensorsFiles, WrittenAndRead) {
  const auto path = folder_ / "new" / "w.safetensors";
  write_safetensors(path, python_tensors(), {{"format", "pt"}});
  EXPECT_EQ(read_file(path), kFromPython);
  Safetensors file = read_safetensors(path);
  std::filesystem::remove(path);
  EXPECT_EQ(file.metadata.at("format"), "pt");
  EXPECT_TRUE(torch::equal(get(file, "b.weight"), python_tensors()[0].second));
  get(file, "b.weight").zero_();  // owns its memory, writable
}

TEST_F(SafetensorsFiles, NamesFileInErrors) {
  const auto expect = [](const std::filesystem::path& path, ErrorKind kind) {
    try {
      read_safetensors(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_EQ(std::string(error.what()).rfind(path.string() + ": ", 0), 0U) << error.what();
    }
  };
  expect(folder_ / "absent", ErrorKind::file);
  expect(folder_, ErrorKind::file);
  std::ofstream(folder_ / "short") << "abc";
  expect(folder_ / "short", ErrorKind::checkpoint);
  std::ofstream(folder_ / "cut", std::ios::binary) << kFromPython.substr(0, 380);
  expect(folder_ / "cut", ErrorKind::checkpoint);
}

TEST_F(SafetensorsFiles, NothingIsWrittenOnError) {
  const auto path = folder_ / "w.safetensors";
  EXPECT_THROW(write_safetensors(path, {{"\xff", torch::ones({1})}}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

// Files of another writer, if they are at hand: read and rewritten without a difference.
TEST(Safetensors, RealFilesSurviveRewriting) {
  const char* shared = std::getenv("NALA_SHARED");
  const std::filesystem::path folder = std::filesystem::path(shared ? shared : "") / "golden";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "no folder golden of reference files (NALA_SHARED is not set to one)";
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") {
      continue;
    }
    const Safetensors file = read_safetensors(entry.path());
    const Safetensors back =
        parse_safetensors(safetensors_bytes(file.tensors, file.metadata), "back");
    EXPECT_EQ(back.metadata, file.metadata);
    ASSERT_EQ(back.tensors.size(), file.tensors.size()) << entry.path();
    for (const auto& [name, tensor] : file.tensors) {
      EXPECT_TRUE(torch::equal(get(back, name), tensor)) << entry.path() << name;
    }
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace nala::io
