// What libnala_program.so shows.
#pragma once

extern "C" {

/// The program but for its start: runs the command that argv[1] names and returns the exit status;
/// never throws.
__attribute__((visibility("default"))) int nala_program(int argc, char** argv);
}
