# How this project declares its targets: nala_library(), nala_torch_library(), nala_test().

# Warnings as errors, on our own code only. Off are those that GCC 12 gives for nothing once strings are
# inlined (its bug 105651 and its like: overlapping, too long or out-of-bounds copies), and designated
# initialisers leave members to their defaults on purpose.
function(nala_warnings target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-restrict
      -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
      -Wno-missing-field-initializers -Werror>)
endfunction()

# nala_library(<folder> SOURCES ... [DEPENDS ...] [PRIVATE_DEPENDS ...])
#
# Target nala_<folder> (alias nala::<folder>) from src/<folder>. Headers are included as
# "<folder>/x.h" through an include directory that holds a link to this one folder alone: a target
# sees only the headers of the targets it depends on, so the direction of dependency is kept by the
# build itself.
function(nala_library folder)
  cmake_parse_arguments(ARG "SHARED" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(target nala_${folder})
  if(ARG_SHARED)
    add_library(${target} SHARED ${ARG_SOURCES})
  else()
    add_library(${target} STATIC ${ARG_SOURCES})
  endif()
  add_library(nala::${folder} ALIAS ${target})
  set(include "${PROJECT_BINARY_DIR}/include/${folder}")
  file(MAKE_DIRECTORY "${include}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${include}/${folder}" SYMBOLIC)
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${include}>")
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  nala_warnings(${target})
endfunction()

# Uses the one precompiled torch header of the build.
#
# Even so a file that sees torch takes seconds before its own code begins, mostly to instantiate again
# what the header left open. With NALA_UNITY several such files of a target are compiled as one, which
# takes a third of the time: their names in anonymous namespaces have to differ.
function(nala_use_torch_header target)
  target_link_libraries(${target} PRIVATE nala::torch_cpu)
  target_precompile_headers(${target} REUSE_FROM nala_torch_header)
  if(NALA_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 5)
    # Said of classes whose members have types of an anonymous namespace when the file they stand in is
    # included, as it is here.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    # A precompiled header serves only code compiled as it was: -fPIC, where programs get -fPIE.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fPIC>)
  endif()
endfunction()

# nala_test(<name> LABELS ... SOURCES ... DEPENDS ... [TORCH] [ENVIRONMENT ...] [TIMEOUT s])
#
# One GoogleTest program, one ctest entry. Tests of programs that see torch say TORCH.
function(nala_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "LABELS;SOURCES;DEPENDS;ENVIRONMENT" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gtest GTest::gtest_main)
  nala_warnings(${name})
  if(ARG_TORCH)
    nala_use_torch_header(${name})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
