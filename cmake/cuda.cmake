# NALA_WITH_CUDA: sets NALA_CUDA to whether the CUDA libraries are built, and enables the language.

set(NALA_CUDA OFF)
if(NOT NALA_WITH_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90)
    endif()
    # CMake 3.25 does not know C++20 for this nvcc; device code keeps to C++17.
    set(CMAKE_CUDA_STANDARD 17)
    enable_language(CUDA)
    set(NALA_CUDA ON)
  elseif(NALA_WITH_CUDA STREQUAL "ON")
    message(FATAL_ERROR "NALA_WITH_CUDA=ON, but no CUDA compiler was found (put nvcc on PATH)")
  endif()
endif()
message(STATUS "CUDA libraries: ${NALA_CUDA}")

if(NALA_CUDA)
  find_package(CUDAToolkit REQUIRED)
  # LibTorch's streams and device guards; its CUDA part itself is not linked, whoever has CUDA tensors
  # has loaded it.
  add_library(nala_c10_cuda SHARED IMPORTED GLOBAL)
  set_target_properties(nala_c10_cuda PROPERTIES
    IMPORTED_LOCATION "${NALA_TORCH_DIR}/lib/libc10_cuda.so"
    INTERFACE_INCLUDE_DIRECTORIES "${CUDAToolkit_INCLUDE_DIRS}"
    INTERFACE_LINK_LIBRARIES nala::torch_cpu)
  add_library(nala::c10_cuda ALIAS nala_c10_cuda)
endif()
