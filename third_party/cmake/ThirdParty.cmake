# Everything that is not ours, as imported targets named selfsight::<thing>. Versions come from third_party/versions.env.

file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../versions.env _lines REGEX "^[A-Z_]+=")
foreach(_line IN LISTS _lines)
  string(REGEX MATCH "^([A-Z_]+)=\"?([^\"]*)\"?$" _ "${_line}")
  set(SELFSIGHT_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(doctest REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(OpenSSL REQUIRED)

# A library and its header by name: for what ships no CMake package, or one that demands far more than is used here.
function(selfsight_import target header library)
  cmake_parse_arguments(arg "" "" "HINTS;INCLUDE_SUFFIXES" ${ARGN})
  string(MAKE_C_IDENTIFIER "${target}" id)
  find_path(SELFSIGHT_${id}_INCLUDE ${header} PATH_SUFFIXES ${arg_INCLUDE_SUFFIXES} REQUIRED)
  find_library(SELFSIGHT_${id}_LIBRARY ${library} REQUIRED)
  add_library(selfsight::${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(selfsight::${target} PROPERTIES
    IMPORTED_LOCATION ${SELFSIGHT_${id}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SELFSIGHT_${id}_INCLUDE})
endfunction()

selfsight_import(jpeg jpeglib.h jpeg)
selfsight_import(deflate libdeflate.h deflate)
# find_package(OpenCV) needs the meta package with every module (and VTK behind it); three modules are used.
selfsight_import(opencv_core opencv2/core.hpp opencv_core INCLUDE_SUFFIXES opencv4)
selfsight_import(opencv_imgproc opencv2/imgproc.hpp opencv_imgproc INCLUDE_SUFFIXES opencv4)
selfsight_import(opencv_imgcodecs opencv2/imgcodecs.hpp opencv_imgcodecs INCLUDE_SUFFIXES opencv4)
foreach(_part avformat avcodec avutil swscale)
  selfsight_import(${_part} lib${_part}/${_part}.h ${_part})
endforeach()
find_path(SELFSIGHT_VALIJSON_INCLUDE valijson/validator.hpp REQUIRED)

if(NOT SELFSIGHT_TORCH)
  return()
endif()

# LibTorch from the wheel that third_party/setup unpacked. find_package(Torch) would demand a CUDA toolkit.
if(DEFINED ENV{SELFSIGHT_DEPS})
  set(_deps $ENV{SELFSIGHT_DEPS})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(_deps $ENV{XDG_CACHE_HOME}/selfsight)
else()
  set(_deps $ENV{HOME}/.cache/selfsight)
endif()
set(_kind cpu)
if(SELFSIGHT_CUDA)
  set(_kind cuda)
endif()
set(SELFSIGHT_TORCH_SITE ${_deps}/libtorch-${SELFSIGHT_TORCH_VERSION}-${_kind} CACHE PATH "Folder with torch/ and nvidia/ of the wheels")
set(_torch ${SELFSIGHT_TORCH_SITE}/torch)
if(NOT EXISTS ${_torch}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not in ${SELFSIGHT_TORCH_SITE}: run third_party/setup first")
endif()
add_library(selfsight::c10 SHARED IMPORTED GLOBAL)
set_target_properties(selfsight::c10 PROPERTIES IMPORTED_LOCATION ${_torch}/lib/libc10.so)
add_library(selfsight::torch SHARED IMPORTED GLOBAL)
set_target_properties(selfsight::torch PROPERTIES
  IMPORTED_LOCATION ${_torch}/lib/libtorch_cpu.so
  INTERFACE_INCLUDE_DIRECTORIES "${_torch}/include;${_torch}/include/torch/csrc/api/include"
  INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1"
  # libtorch_cpu.so names two CUDA run-time libraries even without a GPU; they lie beside it, found by its own rpath.
  INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined"
  INTERFACE_LINK_LIBRARIES "selfsight::c10;Threads::Threads")

# The CUDA half: the run-time library, LibTorch's thin layer over it, and nvJPEG. libtorch_cuda.so itself is opened when a GPU is asked for.
if(SELFSIGHT_CUDA)
  string(REGEX MATCH "^[0-9]+" _cuda "${SELFSIGHT_CUDA_RUNTIME_VERSION}")
  set(_nvidia ${SELFSIGHT_TORCH_SITE}/nvidia/cu${_cuda})
  add_library(selfsight::cuda INTERFACE IMPORTED GLOBAL)
  foreach(_file ${_nvidia}/lib/libcudart.so.${_cuda} ${_nvidia}/lib/libnvjpeg.so.${_cuda} ${_torch}/lib/libc10_cuda.so)
    if(NOT EXISTS ${_file})
      message(FATAL_ERROR "${_file} is missing: run CUDA=1 third_party/setup first")
    endif()
    get_filename_component(_name ${_file} NAME_WE)
    add_library(selfsight::${_name} SHARED IMPORTED GLOBAL)
    set_target_properties(selfsight::${_name} PROPERTIES IMPORTED_LOCATION ${_file})
    target_link_libraries(selfsight::cuda INTERFACE selfsight::${_name})
  endforeach()
  target_include_directories(selfsight::cuda SYSTEM INTERFACE ${_nvidia}/include)
  add_library(selfsight::torch_cuda SHARED IMPORTED GLOBAL)
  set_target_properties(selfsight::torch_cuda PROPERTIES IMPORTED_LOCATION ${_torch}/lib/libtorch_cuda.so)
  add_library(selfsight::nccl INTERFACE IMPORTED GLOBAL)
  target_include_directories(selfsight::nccl SYSTEM INTERFACE ${SELFSIGHT_TORCH_SITE}/nvidia/nccl/include)
endif()
