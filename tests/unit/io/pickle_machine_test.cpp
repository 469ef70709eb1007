#include "io/pickle_machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>

#include "core/error.h"
#include "zip_builder.h"

namespace nala::io {
namespace {

using namespace std::string_literals;
using Kind = PickleValue::Kind;

const std::string kProto = "\x80\x02";

std::string text(const std::string& value) {
  return "X" + zip_number(value.size(), 4) + value;
}
std::string integer(int64_t value) {
  return "\x8a\x08" + zip_number(uint64_t(value), 8);
}

std::string pickle_error(const std::string& pickle) {
  try {
    parse_pickle(pickle, "x.pth");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
    const std::string message = error.what();
    EXPECT_EQ(message.rfind("x.pth: ", 0), 0U) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 500U);
    return message;
  }
  return "accepted";
}

// A tensor over a float storage of 10 elements.
std::string tensor(const std::string& offset,
                   const std::string& shape,
                   const std::string& strides) {
  return kProto + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") +
         "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K\x0atQ" + offset + "(" + shape +
         "t(" + strides + "t\x89}tR.";
}

// pickle.dumps([None, 255, 257, -2, 1 << 32, True, False, 1.5, a, a, (1, 2), {}, (1,)], 2), a =
// 'ä'.
TEST(PickleMachine, PlainValuesAsPythonWroteThem) {
  const Pickle pickle = parse_pickle(
      "\200\002]q\000(NK\377M\001\001J\376\377\377\377\212\005\000\000\000\000\001\210"
      "\211G\077\370\000\000\000\000\000\000X\002\000\000\000\303\244q\001h\001K\001K"
      "\002\206q\002}q\003K\001\205q\004e."s,
      "x");
  ASSERT_EQ(pickle.root->kind, Kind::list);
  const auto& items = pickle.root->items;
  ASSERT_EQ(items.size(), 13U);
  EXPECT_EQ(items[0]->kind, Kind::none);
  EXPECT_EQ(items[1]->integer, 255);
  EXPECT_EQ(items[2]->integer, 257);
  EXPECT_EQ(items[3]->integer, -2);
  EXPECT_EQ(items[4]->integer, int64_t{1} << 32);
  EXPECT_EQ(items[5]->kind, Kind::boolean);
  EXPECT_EQ(items[5]->integer, 1);
  EXPECT_EQ(items[6]->integer, 0);
  EXPECT_EQ(items[7]->real, 1.5);
  EXPECT_EQ(items[8]->text, "ä");
  EXPECT_EQ(items[9], items[8]);
  EXPECT_EQ(items[10]->items.at(1)->integer, 2);
  EXPECT_EQ(items[11]->kind, Kind::dict);
  EXPECT_EQ(items[12]->items.size(), 1U);
}

// pickle.dumps(({1, 2}, frozenset([3]), b'\0\xff', 'k', -1 << 40), 4)
TEST(PickleMachine, PlainValuesOfProtocol4) {
  const Pickle pickle = parse_pickle(
      "\200\004\225\042\000\000\000\000\000\000\000(\217\224(K\001K\002\220(K\003\221"
      "\224C\002\000\377\224\214\001k\224\212\006\000\000\000\000\000\377t\224."s,
      "x");
  ASSERT_EQ(pickle.root->kind, Kind::tuple);
  const auto& items = pickle.root->items;
  ASSERT_EQ(items.size(), 5U);
  EXPECT_EQ(items[0]->kind, Kind::set);
  EXPECT_EQ(items[0]->items.at(1)->integer, 2);
  EXPECT_EQ(items[1]->kind, Kind::set);
  EXPECT_EQ(items[1]->items.at(0)->integer, 3);
  EXPECT_EQ(items[2]->kind, Kind::bytes);
  EXPECT_EQ(items[2]->text, "\0\xff"s);
  EXPECT_EQ(items[3]->text, "k");
  EXPECT_EQ(items[4]->integer, -(int64_t{1} << 40));
}

TEST(PickleMachine, NegativeLongs) {
  EXPECT_EQ(parse_pickle(kProto + "\x8a\x01\xff.", "x").root->integer, -1);
  EXPECT_EQ(parse_pickle(kProto + "\x8a\x02\x00\x80."s, "x").root->integer, -32768);
  EXPECT_EQ(
      parse_pickle(kProto + integer(std::numeric_limits<int64_t>::min()) + ".", "x").root->integer,
      std::numeric_limits<int64_t>::min());
  EXPECT_EQ(parse_pickle(kProto + "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."s, "x").root->kind,
            Kind::object);
}

TEST(PickleMachine, NothingIsCalled) {
  const auto witness = std::filesystem::temp_directory_path() / "nala_pickle_witness";
  std::filesystem::remove(witness);
  for (const char* function : {"cos\nsystem\n", "cposix\nsystem\n", "csubprocess\ncall\n",
                               "cbuiltins\neval\n", "c__builtin__\nexec\n", "cnala\nnone\n"}) {
    const Pickle pickle =
        parse_pickle(kProto + function + text("touch " + witness.string()) + "\x85R.", "x");
    EXPECT_EQ(pickle.root->kind, Kind::object) << function;
    EXPECT_EQ(pickle.root->items.size(), 1U);
  }
  EXPECT_FALSE(std::filesystem::exists(witness));
}

TEST(PickleMachine, OpaqueObjectsTakeWhatTheyAreGiven) {
  // Class(1); o[2] = 3; o.append(4); o.__setstate__({}); o(5)
  const Pickle pickle = parse_pickle(kProto +
                                         "cm\nClass\nK\x01\x85\x81K\x02K\x03sK\x04"
                                         "a}bK\x05\x85R.",
                                     "x");
  EXPECT_EQ(pickle.root->kind, Kind::object);
  EXPECT_EQ(pickle.root->text, "m.Class");
}

TEST(PickleMachine, NamespaceKeepsItsState) {
  const Pickle pickle =
      parse_pickle(kProto + "cargparse\nNamespace\n)\x81}" + text("lr") + "K\x05sb.", "x");
  ASSERT_NE(pickle.root->state, nullptr);
  ASSERT_NE(pickle.root->state->find("lr"), nullptr);
  EXPECT_EQ(pickle.root->state->find("lr")->integer, 5);
  EXPECT_EQ(pickle.root->state->find("absent"), nullptr);
}

TEST(PickleMachine, LastValueOfAKeyWins) {
  const Pickle pickle =
      parse_pickle(kProto + "}(" + text("k") + "K\x01" + text("k") + "K\x02u.", "x");
  EXPECT_EQ(pickle.root->find("k")->integer, 2);
}

TEST(PickleMachine, NumpyScalars) {
  const auto scalar = [](const std::string& format, const std::string& order,
                         const std::string& bytes) {
    return parse_pickle(kProto + "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" + text(format) +
                            "\x89\x88\x87R(K\x03" + text(order) +
                            "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbC"s +
                            static_cast<char>(bytes.size()) + bytes + "\x86R.",
                        "x");
  };
  EXPECT_EQ(scalar("f8", "<", "\0\0\0\0\0\0\xf8\x3f"s).root->real, 1.5);
  EXPECT_EQ(scalar("f4", "<", "\0\0\0\xc0"s).root->real, -2);
  EXPECT_EQ(scalar("i8", "<", "\xfd\xff\xff\xff\xff\xff\xff\xff"s).root->integer, -3);
  EXPECT_EQ(scalar("u1", "|", "\xff"s).root->integer, 255);
  EXPECT_EQ(scalar("b1", "|", "\1"s).root->kind, Kind::boolean);
  EXPECT_EQ(scalar("f8", ">", "\x3f\xf8\0\0\0\0\0\0"s).root->kind, Kind::object);
  EXPECT_EQ(scalar("f8", "<", "\0"s).root->kind, Kind::object);
  EXPECT_EQ(scalar("V8", "|", "\0\0\0\0\0\0\0\0"s).root->kind, Kind::object);
}

TEST(PickleMachine, TensorsInsideTheirStorage) {
  const Pickle pickle = parse_pickle(tensor("K\x01", "K\x03K\x03", "K\x03K\x01"), "x");
  ASSERT_EQ(pickle.root->kind, Kind::tensor);
  const TensorPlace& place = *pickle.root->place;
  EXPECT_EQ(place.storage, "0");
  EXPECT_EQ(place.dtype, c10::ScalarType::Float);
  EXPECT_EQ(place.storage_size, 10);
  EXPECT_EQ(place.offset, 1);
  EXPECT_EQ(place.shape, (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(place.strides, (std::vector<int64_t>{3, 1}));
  EXPECT_NO_THROW(parse_pickle(tensor("K\x09", "", ""), "x"));  // 0-dimensional, the last
  EXPECT_NO_THROW(parse_pickle(tensor("K\x0a", "K\0K\x05"s, "K\x05K\x01"), "x"));  // empty
}

TEST(PickleMachine, TensorsOutsideTheirStorage) {
  const std::string huge = integer(std::numeric_limits<int64_t>::max());
  const std::string minus = integer(-1);
  for (const std::string& pickle : {
           tensor("K\x02", "K\x03K\x03", "K\x03K\x01"),         // one beyond the end
           tensor("K\x0a", "", ""),                             // 0-dimensional beyond the end
           tensor(minus, "K\x01", "K\x01"),                     // before the start
           tensor("K\0"s, minus, "K\x01"),                      // negative size
           tensor("K\x09", "K\x02", minus),                     // negative stride
           tensor("K\0"s, huge, "K\x01"),                       // too many
           tensor("K\0"s, huge, "K\0"s),                        // the same element, endlessly
           tensor("K\0"s, "K\x0b", "K\0"s),                     // more elements than stored
           tensor("K\0"s, huge + huge, "K\0K\0"s),              // count overflows
           tensor("K\0"s, "K\x03", huge),                       // reach overflows
           tensor(huge, "K\x02", "K\x01"),                      // end overflows
           tensor("K\0"s, "K\0"s + huge + huge, "K\0K\0K\0"s),  // empty, strides overflow
           tensor("K\0"s, "K\x03K\x03", "K\x03"),               // numbers of dimensions differ
           tensor("N", "K\x01", "K\x01"),
           tensor("K\0"s, text("1"), "K\x01"),
       }) {
    EXPECT_NE(pickle_error(pickle), "accepted");
  }
  EXPECT_NE(pickle_error(kProto + "ctorch._utils\n_rebuild_tensor_v2\n)R."), "accepted");
  EXPECT_NE(pickle_error(kProto + "(K\x01tQ."), "accepted");
  EXPECT_NE(pickle_error(kProto + "(" + text("storage") + "ctorch\nEvilStorage\n" + text("0") +
                         text("cpu") + "K\x01tQ.")
                .find("'torch.EvilStorage'"),
            std::string::npos);
}

TEST(PickleMachine, RefusesBrokenPickles) {
  for (const std::string& pickle : {""s,
                                    "."s,
                                    "\x80"s,
                                    "\x80\x01N."s,
                                    "\x80\x06N."s,
                                    kProto,
                                    kProto + "N",
                                    kProto + "X\xff\xff\xff\xff",
                                    kProto + "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
                                    kProto + "\x8b\xff\xff\xff\xff",
                                    kProto + "h\x05.",
                                    kProto + "q\x05.",
                                    kProto + "0.",
                                    kProto + "2.",
                                    kProto + "1.",
                                    kProto + "t.",
                                    kProto + "(N0"
                                             "0.",
                                    kProto + "Na.",
                                    kProto + "NNa.",
                                    kProto + "NNNs.",
                                    kProto + "}(Nu.",
                                    kProto + "]]e.",
                                    kProto + "NNb.",
                                    kProto + "NNR.",
                                    kProto + "cos\nsystem\nNR.",
                                    kProto + "cos",
                                    kProto + "cos\nsystem",
                                    kProto + "NN\x93.",
                                    kProto + "NQ.",
                                    kProto + "\x82\x01.",
                                    kProto + "\x97.",
                                    kProto + "I1\n.",
                                    kProto + "(i__main__\nx\n."}) {
    EXPECT_NE(pickle_error(pickle), "accepted") << testing::PrintToString(pickle);
  }
}

TEST(PickleMachine, LimitsHold) {
  EXPECT_NE(pickle_error(kProto + std::string(2'000, '(')).find("nested too deeply"),
            std::string::npos);
  EXPECT_NE(pickle_error(kProto + std::string(2'000'000, 'N')).find("too many values"),
            std::string::npos);
  EXPECT_NE(pickle_error(kProto + "N" + std::string(2'000'000, '2')).find("stack is too high"),
            std::string::npos);
  EXPECT_NE(pickle_error(std::string(kMaxPickle + 1, 'N')).find("allowed are"), std::string::npos);
  // A long text in the memo, made into bytes again and again: small here, endless in memory.
  std::string bomb = kProto + "c_codecs\nencode\nq\x01" + text(std::string(10'000'000, 'a')) +
                     text("latin1") + "\x86q\x02";
  for (int i = 0; i < 100; ++i) {
    bomb += "h\x01h\x02R0";
  }
  EXPECT_NE(pickle_error(bomb + ".").find("holds too much"), std::string::npos);
}

TEST(PickleMachine, NestingAndCyclesNeedNoRecursion) {
  std::string nested = kProto + ")";
  for (int i = 0; i < 500'000; ++i) {
    nested += "\x85";
  }
  EXPECT_EQ(parse_pickle(nested + ".", "x").root->kind, Kind::tuple);
  const Pickle cycle = parse_pickle(kProto +
                                        "]q\x01h\x01"
                                        "a.",
                                    "x");
  EXPECT_EQ(cycle.root->items.at(0), cycle.root);
}

}  // namespace
}  // namespace nala::io
