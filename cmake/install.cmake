# cmake --install: the program, its libraries and the configurations. LibTorch is not copied; it is found
# where the build found it.

include(GNUInstallDirs)

set_target_properties(nalaformer nala_program nala_ops nala_codecs nala_onnx PROPERTIES
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
