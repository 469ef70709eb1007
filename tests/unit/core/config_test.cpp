// Strict reading: what is accepted, what is refused, and that errors say where.

#include "core/config.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace nala {
namespace {

namespace fs = std::filesystem;

enum class Colour { red, green };
constexpr std::array<std::string_view, 2> kColours{"red", "green"};
constexpr std::span<const std::string_view> names_of(Colour) {
  return kColours;
}

struct Inner {
  double rate = 0.5;
  std::vector<int64_t> sizes{1, 2};
  std::optional<int64_t> limit;
  template <class V>
  static void fields(Inner& c, V&& v) {
    v("rate", c.rate, "a rate", config::between(0, 1));
    v("sizes", c.sizes, "some sizes", config::at_least(1));
    v("limit", c.limit, "a limit");
  }
  static void check(const Inner& c, const config::Where& fail) {
    if (c.sizes.size() == 3) {
      fail("sizes", "three is not allowed");
    }
  }
};

struct Outer {
  int64_t count = 7;
  bool flag = false;
  std::string name = "x";
  Colour colour = Colour::red;
  config::Path root;
  Inner inner;
  template <class V>
  static void fields(Outer& c, V&& v) {
    v("count", c.count, "how many");
    v("flag", c.flag, "whether");
    v("name", c.name, "what");
    v("colour", c.colour, "which");
    v("root", c.root, "where");
    v("inner", c.inner, "more");
  }
};

Outer read(const std::string& yaml) {
  return config::read<Outer>(config::parse(yaml, "a.yaml"));
}

std::string error_of(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_EQ(error.status(), 2);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "not one line";
    return error.what();
  }
  return "no error";
}

class Folder {
 public:
  Folder() : path(fs::temp_directory_path() / ("config_test_" + std::to_string(::getpid()))) {
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
  }
  fs::path path;
};

TEST(Config, ReadsEveryKindAndKeepsDefaults) {
  const Outer outer = read(
      "count: 1e3\nflag: true\nname: 'true'\ncolour: green\n"
      "inner: {rate: 1e-4, sizes: 5, limit: 3}\n");
  EXPECT_EQ(outer.count, 1000);
  EXPECT_TRUE(outer.flag);
  EXPECT_EQ(outer.name, "true");
  EXPECT_EQ(outer.colour, Colour::green);
  EXPECT_DOUBLE_EQ(outer.inner.rate, 1e-4);
  EXPECT_EQ(outer.inner.sizes, (std::vector<int64_t>{5}));
  EXPECT_EQ(outer.inner.limit, 3);
  EXPECT_EQ(read("").count, 7);
  EXPECT_FALSE(read("inner: {limit: null}").inner.limit.has_value());
}

TEST(Config, ErrorsNameFileLineColumnAndNearestKey) {
  EXPECT_EQ(error_of("count: 1\ninner:\n  rat: 1\n"),
            "a.yaml:3:3: inner.rat: unknown key; did you mean 'rate'?; known: rate sizes limit");
  EXPECT_EQ(error_of("count: seven"), "a.yaml:1:1: count: expected a whole number, found seven");
  EXPECT_EQ(error_of("inner: {rate: 2}"),
            "a.yaml:1:9: inner.rate: 2 is out of range, expected "
            "from 0 to 1");
  EXPECT_EQ(error_of("inner: {sizes: [1, 2, 3]}"), "a.yaml:1:9: inner.sizes: three is not allowed");
  EXPECT_EQ(error_of("count: 1\ncount: 2"), "a.yaml:2:1: count: duplicate key, first at line 1");
}

TEST(Config, RefusesWhatYamlLibrariesGuess) {
  // 010 is no octal, yes is no truth value, 1.5 no whole number, quotes make text.
  EXPECT_EQ(read("count: 010").count, 10);
  EXPECT_NE(error_of("flag: yes"), "no error");
  EXPECT_NE(error_of("flag: on"), "no error");
  EXPECT_NE(error_of("count: 1.5"), "no error");
  EXPECT_NE(error_of("count: '5'"), "no error");
  EXPECT_NE(error_of("count: 0x10"), "no error");
  EXPECT_NE(error_of("inner: {rate: .nan}"), "no error");
  EXPECT_NE(error_of("inner: {rate: inf}"), "no error");
  EXPECT_NE(error_of("count: 99999999999999999999"), "no error");
  EXPECT_NE(error_of("colour: blue"), "no error");
  EXPECT_NE(error_of("inner: 5"), "no error");
  EXPECT_NE(error_of("count: [1]"), "no error");
  EXPECT_NE(error_of("- 1\n- 2"), "no error");
}

TEST(Config, RefusesHostileYaml) {
  EXPECT_NE(error_of("a: &x 1\nb: *x"), "no error");
  EXPECT_NE(error_of("count: !!int 5"), "no error");
  EXPECT_NE(error_of("count: 1\n---\ncount: 2"), "no error");
  EXPECT_NE(error_of(std::string(200, '[')), "no error");
  EXPECT_NE(error_of(std::string("count: 1\0", 9)), "no error");
  EXPECT_NE(error_of("count: 1\n\tflag: true"), "no error");
  EXPECT_NE(error_of("{"), "no error");
  EXPECT_NE(error_of("? [a]\n: 1"), "no error");
}

TEST(Config, BaseFilesMergeDeeplyAndPathsFollowTheirFile) {
  const Folder folder;
  fs::create_directories(folder.path / "sub");
  folder.write("base.yaml", "count: 1\nroot: pictures\ninner: {rate: 0.25, sizes: [3]}\n");
  folder.write("sub/top.yaml", "base: ../base.yaml\ninner: {rate: 0.75}\n");
  const Outer outer = config::read<Outer>(config::load(folder.path / "sub/top.yaml"));
  EXPECT_EQ(outer.count, 1);
  EXPECT_DOUBLE_EQ(outer.inner.rate, 0.75);
  EXPECT_EQ(outer.inner.sizes, (std::vector<int64_t>{3}));
  EXPECT_EQ(outer.root.value, (folder.path / "pictures").string());
}

TEST(Config, BaseCyclesAndMissingBasesAreRefused) {
  const Folder folder;
  folder.write("a.yaml", "base: b.yaml\n");
  folder.write("b.yaml", "base: a.yaml\n");
  folder.write("self.yaml", "base: self.yaml\n");
  folder.write("lost.yaml", "base: nowhere.yaml\n");
  for (const char* name : {"a.yaml", "self.yaml", "lost.yaml", "absent.yaml"}) {
    EXPECT_THROW(config::load(folder.path / name), Error) << name;
  }
}

TEST(Config, OverridesReplaceLeavesAndNameThemselves) {
  config::Value value = config::parse("inner: {rate: 0.25}\n", "a.yaml");
  config::apply_override(value, "inner.sizes=[4, 5]");
  config::apply_override(value, "name=a=b");
  config::apply_override(value, "count=1e2");
  const Outer outer = config::read<Outer>(value);
  EXPECT_EQ(outer.inner.sizes, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(outer.name, "a=b");
  EXPECT_EQ(outer.count, 100);
  EXPECT_DOUBLE_EQ(outer.inner.rate, 0.25);
  for (const char* wrong : {"", "=", "a", ".a=1", "a.=1", "a..b=1"}) {
    EXPECT_THROW(config::apply_override(value, wrong), Error) << wrong;
  }
  config::apply_override(value, "inner.rat=1");
  try {
    config::read<Outer>(value);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("command line: inner.rat: unknown key"));
  }
}

TEST(Config, PrintedConfigurationReadsBackEqual) {
  Outer outer;
  outer.count = -3;
  outer.name = "a: \"b\" #c";
  outer.colour = Colour::green;
  outer.root.value = "/some where/else";
  outer.inner = {.rate = 1.0 / 3.0, .sizes = {9}, .limit = 4};
  const std::string yaml = config::to_yaml(config::write(outer));
  const Outer again = read(yaml);
  EXPECT_EQ(again.count, outer.count);
  EXPECT_EQ(again.name, outer.name);
  EXPECT_EQ(again.colour, outer.colour);
  EXPECT_EQ(again.root, outer.root);
  EXPECT_EQ(again.inner.rate, outer.inner.rate);
  EXPECT_EQ(again.inner.sizes, outer.inner.sizes);
  EXPECT_EQ(again.inner.limit, outer.inner.limit);
  EXPECT_EQ(config::to_yaml(config::write(again)), yaml);
}

TEST(Config, StringsThatLookLikeOtherThingsKeepTheirKind) {
  for (const char* text :
       {"1e3", "true", "null", "~", "", "- a", " a", "a\nb", "[1]", "010", "-5"}) {
    Outer outer;
    outer.name = text;
    EXPECT_EQ(read(config::to_yaml(config::write(outer))).name, text) << text;
  }
}

TEST(Config, PlainWordsOfAFileKeepTheirMeaningWherePrinted) {
  const config::Value value = config::parse("'a: b':\n  - x, y\n  - [z]\n  - -5\n  - true\n", "f");
  EXPECT_EQ(config::to_yaml(value), "\"a: b\": [\"x, y\", [z], -5, true]\n");
}

TEST(Config, RefusesTextThatIsNotUtf8) {
  for (const char* text :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_THROW(config::parse(std::string("k: a") + text, "f"), Error) << text;
    config::Value root;
    EXPECT_THROW(config::apply_override(root, std::string(text) + "=1"), Error) << text;
  }
  EXPECT_EQ(config::parse("k: ä€😀", "f").find("k")->text, "ä€😀");
}

TEST(Config, JsonAndDescriptionsFollowTheFields) {
  const auto json = config::to_json(config::write(Outer{}));
  EXPECT_EQ(json.dump(), R"({"count":7,"flag":false,"name":"x","colour":"red","root":"",)"
                         R"("inner":{"rate":0.5,"sizes":[1,2],"limit":null}})");
  const auto keys = config::describe<Outer>();
  ASSERT_EQ(keys.size(), 8U);
  EXPECT_EQ(keys[3].type, "one of red green");
  EXPECT_EQ(keys[5].key, "inner.rate");
  EXPECT_EQ(keys[5].type, "number from 0 to 1");
  EXPECT_EQ(keys[6].initial, "[1, 2]");
}

}  // namespace
}  // namespace nala
