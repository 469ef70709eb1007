# Imported targets for the parts of LibTorch this project links: nala::torch_cpu and nala::c10.
#
# The wheel's own package files cannot be used on a machine without a CUDA toolkit: they stop when the
# toolkit is missing although torch_cpu and c10 do not need it. Hence the targets are declared here.
#
# Where LibTorch is: NALA_TORCH_DIR (CMake variable, else environment), the folder that holds lib/ and
# include/; else the wheel that scripts/setup.sh put into .deps/.

if(NOT NALA_TORCH_DIR AND DEFINED ENV{NALA_TORCH_DIR})
  set(NALA_TORCH_DIR "$ENV{NALA_TORCH_DIR}")
endif()
if(NOT NALA_TORCH_DIR)
  file(GLOB _candidates "${PROJECT_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch")
  if(_candidates)
    list(GET _candidates 0 NALA_TORCH_DIR)
  endif()
endif()
if(NOT NALA_TORCH_DIR OR NOT EXISTS "${NALA_TORCH_DIR}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found (NALA_TORCH_DIR='${NALA_TORCH_DIR}'): run scripts/setup.sh, "
                      "or set NALA_TORCH_DIR to the folder that holds lib/ and include/")
endif()
set(NALA_TORCH_DIR "${NALA_TORCH_DIR}" CACHE PATH "LibTorch: the folder that holds lib/ and include/" FORCE)

file(STRINGS "${NALA_TORCH_DIR}/include/torch/headeronly/version.h" _version_lines
     REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
if(NOT _version_lines)
  file(STRINGS "${NALA_TORCH_DIR}/include/torch/csrc/api/include/torch/version.h" _version_lines
       REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
endif()
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" NALA_TORCH_VERSION
                     "${_version_lines}")
if(NOT NALA_TORCH_VERSION VERSION_EQUAL 2.11)
  message(FATAL_ERROR "LibTorch 2.11 is needed, ${NALA_TORCH_DIR} holds '${NALA_TORCH_VERSION}'")
endif()

add_library(nala_c10 SHARED IMPORTED GLOBAL)
set_target_properties(nala_c10 PROPERTIES
  IMPORTED_LOCATION "${NALA_TORCH_DIR}/lib/libc10.so"
  INTERFACE_INCLUDE_DIRECTORIES
    "${NALA_TORCH_DIR}/include;${NALA_TORCH_DIR}/include/torch/csrc/api/include"
  INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1")
add_library(nala::c10 ALIAS nala_c10)

add_library(nala_torch_cpu SHARED IMPORTED GLOBAL)
set_target_properties(nala_torch_cpu PROPERTIES
  IMPORTED_LOCATION "${NALA_TORCH_DIR}/lib/libtorch_cpu.so"
  INTERFACE_LINK_LIBRARIES nala::c10
  # The libraries behind libtorch_cpu.so (CUDA runtime, CUPTI, OpenMP) are found by its own run path.
  INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
add_library(nala::torch_cpu ALIAS nala_torch_cpu)

message(STATUS "LibTorch ${NALA_TORCH_VERSION}: ${NALA_TORCH_DIR}")
