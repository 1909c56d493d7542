// A long input can be interrupted: Parser::poll_by().

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "influx/line_protocol/parser.h"

namespace influx::line_protocol {
namespace {

constexpr std::size_t kLong = std::size_t{4} * 1024 * 1024;

int polls = 0;

struct Interrupt {};

void count() {
  ++polls;
}

void interrupt() {
  throw Interrupt{};
}

std::string repeated(std::string_view text, std::size_t bytes) {
  std::string input;
  while (input.size() < bytes)
    input += text;
  return input;
}

/// A line with so many bytes of tags, or of fields, all of different keys.
std::string many_keys(bool tags) {
  std::string input = tags ? "m" : "m ";
  for (std::size_t key = 0; input.size() < kLong; ++key) {
    if (tags || key > 0) input += ',';
    input += "k" + std::to_string(key) + "=1";
  }
  if (tags) input += " v=1";
  return input;
}

struct Input {
  const char* name;
  std::string text;
};

std::vector<Input> long_inputs() {
  return {{"blank lines", repeated("\n", kLong)},
          {"comments", repeated("# a\n", kLong)},
          {"points", repeated("m v=1\n", kLong)},
          {"refused lines", repeated("m v\n", kLong)},
          {"a string without end", "m v=\"" + repeated("x\\\"", kLong)},
          {"a line of fields", many_keys(false)},
          {"a line of tags", many_keys(true)}};
}

void read_all(Parser& parser, std::string_view text) {
  parser.reset(text);
  while (parser.next() != Parser::Result::kEnd) {
  }
}

TEST(Interrupts, ArePolledInEveryLongInput) {
  for (const Input& input : long_inputs()) {
    Parser parser(Precision::kNanosecond);
    parser.poll_by(count);
    polls = 0;
    read_all(parser, input.text);
    EXPECT_GE(polls, 3) << input.name;
  }
}

TEST(Interrupts, EndTheInput) {
  for (const Input& input : long_inputs()) {
    Parser parser(Precision::kNanosecond);
    parser.poll_by(interrupt);
    EXPECT_THROW(read_all(parser, input.text), Interrupt) << input.name;
    // The next one is read as ever.
    parser.reset("m v=1");
    EXPECT_EQ(parser.next(), Parser::Result::kPoint) << input.name;
    EXPECT_EQ(parser.next(), Parser::Result::kEnd) << input.name;
  }
}

TEST(Interrupts, AreNotPolledWhereNobodyAsks) {
  Parser parser(Precision::kNanosecond);
  parser.poll_by(count);
  parser.poll_by(nullptr);
  polls = 0;
  read_all(parser, repeated("\n", kLong));
  EXPECT_EQ(polls, 0);
}

}  // namespace
}  // namespace influx::line_protocol
