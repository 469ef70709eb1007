#include "io/authors_checkpoint.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "io/pickle_reader.h"
#include "io/safetensors.h"
#include "zip_builder.h"

namespace nala::io {
namespace {

using namespace std::string_literals;

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(NALA_IO_FIXTURES) / name;
}

std::string checkpoint_error(const std::string& bytes) {
  try {
    TorchFile file(bytes, "x.pth");
    authors_checkpoint_of(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
    const std::string message = error.what();
    EXPECT_EQ(message.rfind("x.pth: ", 0), 0U) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  return "accepted";
}

void expect_same(const NamedTensors& found, const NamedTensors& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(found[i].first, expected[i].first);
    EXPECT_EQ(found[i].second.scalar_type(), expected[i].second.scalar_type()) << found[i].first;
    EXPECT_TRUE(torch::equal(found[i].second, expected[i].second)) << found[i].first;
  }
}

// As make_fixtures.py states them.
NamedTensors expected_model() {
  const at::Tensor base = torch::arange(12, torch::kFloat).reshape({3, 4});
  return {{"weight", base.slice(1, 1, 3)},
          {"transposed", base.t()},
          {"count", torch::tensor(int64_t{41})},
          {"half", torch::tensor({1.5F, -2.0F}).to(torch::kBFloat16)},
          {"flags", torch::tensor({true, false})},
          {"empty", torch::zeros({0, 5})}};
}

TEST(AuthorsCheckpoint, ReadsWhatPythonSaved) {
  for (const char* name : {"authors.pth", "no_checksum.pth"}) {
    const AuthorsCheckpoint checkpoint = read_authors_checkpoint(fixture(name));
    expect_same(checkpoint.model, expected_model());
    expect_same(checkpoint.model_ema, {{"weight", torch::full({3, 2}, 0.5F)}});
    EXPECT_EQ(checkpoint.epoch, 12);
    EXPECT_EQ(checkpoint.max_accuracy, 79.125);
    const std::map<std::string, std::string> expected{
        {"model", "NALAFORMER_XT"}, {"lr", "0.0005"},      {"epochs", "300"},
        {"opt_betas", "null"},      {"dist_eval", "true"}, {"sizes", "[1, [2, x]]"}};
    EXPECT_EQ(checkpoint.arguments, expected);
  }
}

TEST(AuthorsCheckpoint, KeepsSharingAndStrides) {
  const AuthorsCheckpoint checkpoint = read_authors_checkpoint(fixture("authors.pth"));
  const at::Tensor& weight = checkpoint.model[0].second;
  const at::Tensor& transposed = checkpoint.model[1].second;
  EXPECT_TRUE(weight.storage().is_alias_of(transposed.storage()));
  EXPECT_EQ(transposed.strides().vec(), (std::vector<int64_t>{1, 4}));
}

TEST(AuthorsCheckpoint, ReadsABareStateDictOfProtocol5) {
  const AuthorsCheckpoint checkpoint = read_authors_checkpoint(fixture("bare_protocol5.pth"));
  ASSERT_EQ(checkpoint.model.size(), 3U);
  EXPECT_TRUE(torch::equal(checkpoint.model[0].second, torch::tensor({1.0F, 2.0F})));
  EXPECT_EQ(checkpoint.model[1].second.scalar_type(), torch::kUInt16);
  EXPECT_TRUE(torch::equal(checkpoint.model[1].second.to(torch::kLong), torch::tensor({1, 65535})));
  EXPECT_EQ(checkpoint.model[2].second.scalar_type(), torch::kFloat8_e4m3fn);
  EXPECT_TRUE(
      torch::equal(checkpoint.model[2].second.to(torch::kFloat), torch::tensor({1.5F, -2.0F})));
  EXPECT_FALSE(checkpoint.epoch.has_value());
  EXPECT_FALSE(checkpoint.max_accuracy.has_value());
  EXPECT_TRUE(checkpoint.model_ema.empty());
}

TEST(AuthorsCheckpoint, RefusesOtherFiles) {
  EXPECT_NE(checkpoint_error(read_file(fixture("legacy.pth"))).find("before PyTorch 1.6"),
            std::string::npos);
  EXPECT_NE(checkpoint_error("").find("no zip file"), std::string::npos);
  EXPECT_NE(checkpoint_error("hello").find("no zip file"), std::string::npos);
  EXPECT_NE(checkpoint_error("PK").find("no zip directory"), std::string::npos);
  EXPECT_NE(checkpoint_error(build_zip({{"a/b.txt", "x"}})).find("no record data.pkl"),
            std::string::npos);
  EXPECT_THROW(read_authors_checkpoint(fixture("absent.pth")), Error);
}

TEST(AuthorsCheckpoint, RefusesOtherContents) {
  const auto pth = [](const std::string& pickle) {
    return build_zip({{"a/data.pkl", "\x80\x02" + pickle}});
  };
  EXPECT_NE(checkpoint_error(pth("N.")).find("holds None"), std::string::npos);
  EXPECT_NE(checkpoint_error(pth("}.")).find("holds a dict with the keys ;"), std::string::npos);
  EXPECT_NE(checkpoint_error(pth("}X\5\0\0\0epochK\1s."s)).find("'epoch'"), std::string::npos);
  EXPECT_NE(checkpoint_error(pth("}X\5\0\0\0modelcm\nNet\n)\x81s."s))
                .find("'model' is an object of 'm.Net', expected a state dict"),
            std::string::npos);
  EXPECT_NE(checkpoint_error(pth("}X\5\0\0\0model}X\1\0\0\0wK\1ss."s))
                .find("'model': found an integer under 'w'"),
            std::string::npos);
  EXPECT_NE(checkpoint_error(build_zip({{"a/data.pkl", "\x80\x02}."}, {"a/byteorder", "big"}}))
                .find("'big'"),
            std::string::npos);
}

// The pickle claims a float storage of 4 elements under key 0.
std::string with_storage(const std::vector<ZipEntry>& storages) {
  std::vector<ZipEntry> entries{
      {"a/data.pkl",
       "\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storage"
       "ctorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQK\0K\4\x85K\1\x85\x89}tRs."s}};
  entries.insert(entries.end(), storages.begin(), storages.end());
  return build_zip(entries);
}

TEST(AuthorsCheckpoint, ChecksStorages) {
  const std::string data(16, '\0');
  EXPECT_EQ(checkpoint_error(with_storage({{"a/data/0", data}})), "accepted");
  EXPECT_EQ(checkpoint_error(with_storage({{"a/data/0", data, 0xecbb4b55}})),
            "accepted");  // zlib's crc32
  EXPECT_NE(checkpoint_error(with_storage({{"a/data/0", data, 0xecbb4b54}})).find("checksum"),
            std::string::npos);
  EXPECT_NE(checkpoint_error(with_storage({})).find("no record 'a/data/0'"), std::string::npos);
  EXPECT_NE(
      checkpoint_error(with_storage({{"a/data/0", data + data}})).find("has 32 bytes, expected 4"),
      std::string::npos);
  EXPECT_NE(checkpoint_error(with_storage({{"a/data/0", data}, {"a/data/0", data}})).find("twice"),
            std::string::npos);
}

TEST(AuthorsCheckpoint, RefusesDamagedZips) {
  const std::string good = with_storage({{"a/data/0", std::string(16, '\0')}});
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(checkpoint_error(good.substr(0, size)), "accepted") << size;
  }
  const size_t directory = good.rfind("PK\001\002"s);
  const auto changed = [&](size_t offset, const std::string& bytes) {
    return checkpoint_error(std::string(good).replace(offset, bytes.size(), bytes));
  };
  EXPECT_NE(changed(directory + 10, "\x08").find("compressed"), std::string::npos);
  EXPECT_NE(changed(directory + 20, "\x11\0\0\0\x11"s), "accepted");  // other size
  EXPECT_NE(changed(directory + 20, "\xff\xff\xff\0\xff\xff\xff\0"s).find("beyond its end"),
            std::string::npos);
  EXPECT_NE(changed(directory + 42, "\xff\xff\xff\x7f").find("ends before"), std::string::npos);
  EXPECT_NE(changed(directory + 42, "\0\0\0\0"s).find("overlap"), std::string::npos);
  EXPECT_NE(changed(good.size() - 6, "\xff\xff\xff\x7f").find("ends before"), std::string::npos);
  EXPECT_NE(changed(good.size() - 12, "\xff\xff"), "accepted");  // more entries
}

// Every bit of a tensor's elements is covered by the checksum.
TEST(AuthorsCheckpoint, NoticesFlippedBits) {
  const std::string good = read_file(fixture("authors.pth"));
  const at::Tensor base = torch::arange(12, torch::kFloat);
  const size_t place = good.find(std::string(static_cast<const char*>(base.const_data_ptr()), 48));
  ASSERT_NE(place, std::string::npos);
  for (size_t bit = 0; bit < 48 * 8; ++bit) {
    std::string bad = good;
    bad[place + bit / 8] = static_cast<char>(bad[place + bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(checkpoint_error(bad).find("checksum"), std::string::npos) << bit;
  }
}

TEST(AuthorsCheckpoint, EqualsTheReferenceExactly) {
  const char* shared = std::getenv("NALA_SHARED");
  const std::filesystem::path folder = std::filesystem::path(shared ? shared : "") / "golden";
  if (!std::filesystem::exists(folder / "checkpoint_official.pth")) {
    GTEST_SKIP() << "no golden/checkpoint_official.pth (NALA_SHARED is not set to a folder of it)";
  }
  const AuthorsCheckpoint checkpoint = read_authors_checkpoint(folder / "checkpoint_official.pth");
  const auto expect_equal = [&](NamedTensors found, const std::string& reference) {
    NamedTensors expected = read_safetensors(folder / reference).tensors;
    const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
    std::sort(found.begin(), found.end(), by_name);
    std::sort(expected.begin(), expected.end(), by_name);
    expect_same(found, expected);
  };
  expect_equal(checkpoint.model, "checkpoint_official_model.safetensors");
  expect_equal(checkpoint.model_ema, "checkpoint_official_model_ema.safetensors");
  EXPECT_EQ(checkpoint.epoch, 12);
  EXPECT_EQ(checkpoint.max_accuracy, 79.125);
  EXPECT_EQ(checkpoint.arguments.at("model"), "NALAFORMER_XT");
  EXPECT_EQ(checkpoint.arguments.at("lr"), "0.001");
  EXPECT_EQ(checkpoint.arguments.at("clip_grad"), "null");
}

}  // namespace
}  // namespace nala::io
