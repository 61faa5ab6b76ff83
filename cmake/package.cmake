include(GNUInstallDirs)

# The build id: what two sides of the plugin boundary must have in common. The same sources and flags give the same id, so builds stay
# reproducible; another header or flag gives another one.
file(GLOB boundary_headers CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/plugin/contract/*.h ${PROJECT_SOURCE_DIR}/auth/*.h ${PROJECT_SOURCE_DIR}/auth/*/*.h)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${boundary_headers})
set(boundary "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_BUILD_TYPE} ${CMAKE_CXX_FLAGS} ${POSTERN_SANITIZE}")
foreach(header ${boundary_headers})
  file(SHA256 ${header} digest)
  string(APPEND boundary " ${digest}")
endforeach()
string(SHA256 build_id "${boundary}")
string(SUBSTRING ${build_id} 0 16 build_id)

add_library(plugin_abi INTERFACE)
target_compile_definitions(plugin_abi INTERFACE POSTERN_BUILD_ID="${build_id}" POSTERN_POCO_VERSION="${Poco_VERSION}")

# postern_package(NAME sources... DESCRIPTION text KEYS mailbox,... LIBRARIES libs... [FOLDER folder] [NO_INSTALL])
# KEYS: first parts of its configuration keys; known to the host even when the library cannot be loaded.
# A package: <FOLDER, else build>/packages/NAME/{NAME.so, package.properties}. It exports two symbols and binds everything when it is loaded.
function(postern_package name)
  cmake_parse_arguments(PACKAGE "NO_INSTALL" "DESCRIPTION;KEYS;FOLDER" "LIBRARIES" ${ARGN})
  if(NOT PACKAGE_FOLDER)
    set(PACKAGE_FOLDER ${CMAKE_BINARY_DIR}/packages)
  endif()
  set(map ${PROJECT_SOURCE_DIR}/plugin/package.map)
  add_library(${name} MODULE ${PACKAGE_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE plugin_abi plugin_contract Poco::Foundation ${PACKAGE_LIBRARIES})
  target_link_options(${name} PRIVATE LINKER:--version-script=${map} LINKER:-z,now)
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PACKAGE_FOLDER}/${name} LINK_DEPENDS ${map}
    BUILD_RPATH_USE_ORIGIN ON INSTALL_RPATH "$ORIGIN/../..")
  set(PACKAGE_NAME ${name})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/package.properties.in ${PACKAGE_FOLDER}/${name}/package.properties @ONLY)
  if(NOT PACKAGE_NO_INSTALL)
    install(TARGETS ${name} LIBRARY DESTINATION lib/postern/packages/${name})
    install(FILES ${PACKAGE_FOLDER}/${name}/package.properties DESTINATION lib/postern/packages/${name})
  endif()
endfunction()
