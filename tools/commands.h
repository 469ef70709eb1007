// The commands of the program: one function and one file each, listed in main.cpp.
#pragma once

namespace nala::tools {

/// Each takes the words from its own name on and returns the exit status; each throws Error.
int run_train(int argc, char** argv);
int run_eval(int argc, char** argv);
int run_predict(int argc, char** argv);
int run_export(int argc, char** argv);
int run_info(int argc, char** argv);
int run_bench(int argc, char** argv);
int run_analyze(int argc, char** argv);
int run_data(int argc, char** argv);
int run_config(int argc, char** argv);
int run_doctor(int argc, char** argv);
int run_reproduce(int argc, char** argv);

}  // namespace nala::tools
