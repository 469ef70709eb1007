#include "train/distributed/launch.h"

#include <gtest/gtest.h>

#include <map>

#include "core/error.h"

namespace nala::train {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

Launch detect(const Variables& variables) {
  return detect_launch([&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

std::string error_of(const Variables& variables) {
  try {
    detect(variables);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), 2);
    return error.what();
  }
  return "no error";
}

TEST(Launch, WithoutALauncherAProcessIsAlone) {
  const Launch launch = detect({{"HOME", "/root"}});
  EXPECT_EQ(launch.launcher, Launcher::none);
  EXPECT_EQ(launch.world, 1);
  EXPECT_TRUE(launch.one_machine());
}

TEST(Launch, Torchrun) {
  const Launch launch = detect({{"RANK", "5"},
                                {"LOCAL_RANK", "1"},
                                {"WORLD_SIZE", "8"},
                                {"LOCAL_WORLD_SIZE", "4"},
                                {"MASTER_ADDR", "node7"},
                                {"MASTER_PORT", "1234"},
                                {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(launch.launcher, Launcher::torchrun);
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.world, 8);
  EXPECT_EQ(launch.local_world, 4);
  EXPECT_FALSE(launch.one_machine());
  EXPECT_EQ(launch.address, "node7");
  EXPECT_EQ(launch.port, 1234);
  EXPECT_TRUE(launch.agent_store);
  EXPECT_EQ(launch.attempt, 2);
  EXPECT_FALSE(launch.listening);
}

TEST(Launch, OwnCopiesInheritTheSocketOfTheMeetingPoint) {
  Variables variables{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"NALA_MEETING_SOCKET", "7"}};
  EXPECT_EQ(detect(variables).launcher, Launcher::own);
  EXPECT_EQ(detect(variables).listening, 7);
  variables["RANK"] = "1";
  EXPECT_FALSE(detect(variables).listening);
}

TEST(Launch, Slurm) {
  Variables variables{{"SLURM_PROCID", "9"},      {"SLURM_LOCALID", "1"},
                      {"SLURM_NTASKS", "16"},     {"SLURM_JOB_NODELIST", "gpu[08-09]"},
                      {"SLURM_JOB_ID", "123456"}, {"SLURM_RESTART_COUNT", "1"}};
  const Launch launch = detect(variables);
  EXPECT_EQ(launch.launcher, Launcher::slurm);
  EXPECT_EQ(launch.rank, 9);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.world, 16);
  EXPECT_FALSE(launch.one_machine());
  EXPECT_EQ(launch.address, "gpu08");
  EXPECT_EQ(launch.port, 20000 + 123456 % 20000);
  EXPECT_EQ(launch.attempt, 1);
  // A step may have fewer tasks than the job, and an exported MASTER_PORT counts.
  variables["SLURM_STEP_NUM_TASKS"] = "12";
  variables["SLURM_STEP_NODELIST"] = "gpu09";
  variables["MASTER_PORT"] = "4000";
  EXPECT_EQ(detect(variables).world, 12);
  EXPECT_TRUE(detect(variables).one_machine());
  EXPECT_EQ(detect(variables).port, 4000);
  // One task: nothing to meet.
  variables["SLURM_NTASKS"] = "1";
  EXPECT_EQ(detect(variables).world, 1);
}

TEST(Launch, Mpirun) {
  Variables variables{{"OMPI_COMM_WORLD_RANK", "1"},
                      {"OMPI_COMM_WORLD_SIZE", "2"},
                      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  EXPECT_EQ(detect(variables).launcher, Launcher::mpirun);
  EXPECT_EQ(detect(variables).rank, 1);
  EXPECT_EQ(detect(variables).address, "127.0.0.1");
  variables["OMPI_COMM_WORLD_LOCAL_SIZE"] = "1";
  EXPECT_NE(error_of(variables).find("MASTER_ADDR"), std::string::npos);
  const Variables mpich{
      {"PMI_RANK", "2"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "2"}, {"MPI_LOCALNRANKS", "3"}};
  EXPECT_EQ(detect(mpich).rank, 2);
  EXPECT_EQ(detect(mpich).world, 3);
}

TEST(Launch, WrongVariablesAreNamed) {
  EXPECT_NE(error_of({{"RANK", "x"}, {"WORLD_SIZE", "2"}}).find("RANK is 'x'"), std::string::npos);
  EXPECT_NE(error_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).find("rank 2 of 2"), std::string::npos);
  EXPECT_NE(error_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}})
                .find("MASTER_PORT is '70000'"),
            std::string::npos);
  EXPECT_NE(error_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}).find("SLURM_LOCALID"),
            std::string::npos);
}

// Expected lists as `scontrol show hostnames` prints them.
TEST(SlurmHosts, ExpandsBrackets) {
  using Hosts = std::vector<std::string>;
  EXPECT_EQ(slurm_hosts("login"), Hosts{"login"});
  EXPECT_EQ(slurm_hosts("gpu[1-3,07],login"), (Hosts{"gpu1", "gpu2", "gpu3", "gpu07", "login"}));
  EXPECT_EQ(slurm_hosts("n[08-11]"), (Hosts{"n08", "n09", "n10", "n11"}));
  EXPECT_EQ(slurm_hosts("n[099-101]-ib"), (Hosts{"n099-ib", "n100-ib", "n101-ib"}));
  EXPECT_EQ(slurm_hosts("r[1-2]n[1,3]"), (Hosts{"r1n1", "r1n3", "r2n1", "r2n3"}));
}

TEST(SlurmHosts, RefusesMalformedAndEndlessLists) {
  for (const char* list : {"", "a,,b", "n[1-", "n[]", "n[3-1]", "n[a-b]", "n[1-99999999999]",
                           "n[1-60000]m[1-60000]", "n[-1-2]"}) {
    EXPECT_THROW(slurm_hosts(list), Error) << list;
  }
}

}  // namespace
}  // namespace nala::train
