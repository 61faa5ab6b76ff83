# What every target of ours links: warnings, and sanitizers where a preset asks for them. Nothing global.
add_library(project_warnings INTERFACE)
target_compile_options(project_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-missing-field-initializers)

set(POSTERN_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
add_library(project_sanitizers INTERFACE)
if(POSTERN_SANITIZE)
  target_compile_options(project_sanitizers INTERFACE -fsanitize=${POSTERN_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(project_sanitizers INTERFACE -fsanitize=${POSTERN_SANITIZE})
endif()

add_library(project_options INTERFACE)
target_include_directories(project_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(project_options INTERFACE project_warnings project_sanitizers)
