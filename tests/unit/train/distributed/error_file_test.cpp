#include "train/distributed/error_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"

namespace nala::train {
namespace {

TEST(ErrorFile, HasTheFormThatTorchelasticReads) {
  const auto path = std::filesystem::path(testing::TempDir()) / "nala_error_file.json";
  std::filesystem::remove(path);
  ::unsetenv("TORCHELASTIC_ERROR_FILE");
  write_error_file("nobody asked");
  EXPECT_FALSE(std::filesystem::exists(path));

  ::setenv("TORCHELASTIC_ERROR_FILE", path.c_str(), 1);
  write_error_file("step 3: \"loss\" \xff is not finite");
  ::unsetenv("TORCHELASTIC_ERROR_FILE");
  const auto message = nlohmann::json::parse(read_file(path)).at("message");
  EXPECT_NE(message.at("message").get<std::string>().find("step 3: \"loss\""), std::string::npos);
  // torchrun converts the time with int() and compares: seconds, as text.
  const auto& extra = message.at("extraInfo");
  EXPECT_NEAR(std::stod(extra.at("timestamp").get<std::string>()),
              static_cast<double>(std::time(nullptr)), 5);
  EXPECT_TRUE(extra.contains("py_callstack"));
  std::filesystem::remove(path);
}

TEST(ErrorFile, AFolderThatIsNotThereDoesNotHideTheError) {
  ::setenv("TORCHELASTIC_ERROR_FILE", "/proc/nowhere/file.json", 1);
  write_error_file("message");
  ::unsetenv("TORCHELASTIC_ERROR_FILE");
}

}  // namespace
}  // namespace nala::train
