// Every fixture of NALA_GOLDEN_DIR (default: this folder) against this code; see README.md there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "core/files.h"
#include "kinds.h"

namespace nala::golden {
namespace {

struct Kind {
  std::string_view name;
  void (*check)(const Entry&);
};

constexpr Kind kKinds[] = {
    {"attention_op", check_attention_op},
    {"rope", check_rope},
    {"module", check_module},
    {"model_weights", check_model_weights},
    {"model", check_model},
    {"variant", check_variant},
    {"variant_logits", check_variant_logits},
    {"variant_grads", check_variant_grads},
    {"checkpoint_pth", check_checkpoint_pth},
    {"checkpoint_safetensors", check_checkpoint_safetensors},
    {"checkpoint_logits", check_checkpoint_logits},
    {"lr_schedule", check_lr_schedule},
    {"weight_decay_groups", check_weight_decay_groups},
    {"training_trajectory", check_training_trajectory},
};

std::filesystem::path golden_folder() {
  const char* given = std::getenv("NALA_GOLDEN_DIR");
  return given != nullptr && *given != '\0' ? given : NALA_GOLDEN_SOURCE;
}

void check_entry(const Entry& entry) {
  const std::string kind = entry.fields.value("kind", "");
  const auto* found = std::ranges::find(kKinds, kind, &Kind::name);
  ASSERT_NE(found, std::end(kKinds)) << "unknown kind '" << kind << "'";
  ASSERT_TRUE(std::filesystem::is_regular_file(entry.path())) << "the file is missing";
  ASSERT_EQ(sha256_of_file(entry.path()), entry.fields.at("sha256").get<std::string>());
  found->check(entry);
}

TEST(Golden, EveryEntry) {
  const std::filesystem::path folder = golden_folder();
  const auto index = nlohmann::json::parse(read_file(folder / "index.json"));
  ASSERT_FALSE(index.empty()) << folder << ": no entries";
  std::map<std::string, int> checked;
  for (const auto& [file, fields] : index.items()) {
    SCOPED_TRACE(file);
    try {
      check_entry({folder, file, fields});
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    ++checked[fields.value("kind", "")];
  }
  std::cout << "checked " << index.size() << " entries of " << folder.string() << '\n';
  for (const auto& [kind, count] : checked) {
    std::cout << "  " << kind << ": " << count << '\n';
  }
}

}  // namespace
}  // namespace nala::golden
