# Imported targets nala::opencv_{core,imgproc,imgcodecs}.
#
# OpenCV's own package file comes with a Debian package that pulls in every module and its
# dependencies; the three module packages used here do without it.

find_path(NALA_OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4)
foreach(module core imgproc imgcodecs)
  find_library(NALA_OPENCV_${module} opencv_${module})
  if(NOT NALA_OPENCV_INCLUDE OR NOT NALA_OPENCV_${module})
    message(FATAL_ERROR "OpenCV (${module}) not found: run scripts/setup.sh")
  endif()
  add_library(nala_opencv_${module} SHARED IMPORTED GLOBAL)
  set_target_properties(nala_opencv_${module} PROPERTIES
    IMPORTED_LOCATION "${NALA_OPENCV_${module}}"
    INTERFACE_INCLUDE_DIRECTORIES "${NALA_OPENCV_INCLUDE}")
  add_library(nala::opencv_${module} ALIAS nala_opencv_${module})
endforeach()
