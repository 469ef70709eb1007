# cmake --install: the program, its libraries, the configurations, and the library for other programs
# with its headers. LibTorch is not copied; it is found where the build found it.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set_target_properties(nalaformer nala_program nala_api nala_ops nala_codecs nala_onnx PROPERTIES
  INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${NALA_TORCH_DIR}/lib")
install(TARGETS nalaformer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS nala_program nala_ops nala_codecs nala_onnx LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(library nala_cuda nala_nccl)
  if(TARGET ${library})
    install(TARGETS ${library} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/nalaformer)
install(FILES README.md LICENSE CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR})

# find_package(nalaformer): the target nalaformer::nalaformer. Its package file needs no other.
set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/nalaformer)
install(TARGETS nala_api EXPORT nalaformer COMPONENT development
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/nalaformer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT nalaformer FILE nalaformerConfig.cmake NAMESPACE nalaformer:: DESTINATION ${_package}
        COMPONENT development)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/nalaformerConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/nalaformerConfigVersion.cmake" DESTINATION ${_package}
        COMPONENT development)
