#include "influx/transport/report_gate.h"

#include <gtest/gtest.h>

namespace influx::transport {
namespace {

constexpr std::size_t kOne = 0;
constexpr std::size_t kOther = ReportGate::kMostKinds - 1;
constexpr std::int64_t kInterval = ReportGate::kIntervalNs;

TEST(ReportGate, LetsTheFirstOfEachKindThrough) {
  ReportGate gate;
  EXPECT_TRUE(gate.pass(kOne, 5));
  EXPECT_TRUE(gate.pass(kOther, 5));
  EXPECT_FALSE(gate.due_ns().has_value());
}

// A machine that was just started: its clock is near zero.
TEST(ReportGate, LetsTheFirstThroughWhateverTheClockSays) {
  ReportGate gate;
  EXPECT_EQ(gate.opens_at_ns(kOne), 0);
  EXPECT_TRUE(gate.pass(kOne, 0));
  EXPECT_FALSE(gate.pass(kOne, 0));
}

TEST(ReportGate, LetsOneThroughInTheInterval) {
  ReportGate gate;
  int passed = 0;
  for (std::int64_t now = 0; now < 10 * kInterval; now += kInterval / 1000)
    passed += gate.pass(kOne, now) ? 1 : 0;
  EXPECT_EQ(passed, 10);
}

TEST(ReportGate, OpensWhenTheIntervalIsOver) {
  ReportGate gate;
  ASSERT_TRUE(gate.pass(kOne, 7));
  EXPECT_EQ(gate.opens_at_ns(kOne), 7 + kInterval);
  EXPECT_FALSE(gate.pass(kOne, 7 + kInterval - 1));
  EXPECT_TRUE(gate.pass(kOne, 7 + kInterval));
}

TEST(ReportGate, TellsHowManyWereLeftOutOnce) {
  ReportGate gate;
  ASSERT_TRUE(gate.pass(kOne, 0));
  for (int i = 0; i < 13'000; ++i)
    ASSERT_FALSE(gate.pass(kOne, i));
  EXPECT_EQ(gate.due_ns(), kInterval);
  EXPECT_FALSE(gate.take_left_out(kInterval - 1, false).has_value());
  const auto left_out = gate.take_left_out(kInterval, false);
  ASSERT_TRUE(left_out.has_value());
  EXPECT_EQ(left_out->kind, kOne);
  EXPECT_EQ(left_out->count, 13'000U);
  EXPECT_FALSE(gate.take_left_out(kInterval, true).has_value());
  EXPECT_FALSE(gate.due_ns().has_value());
}

TEST(ReportGate, TakesTellingTheNumberForAReport) {
  ReportGate gate;
  gate.pass(kOne, 0);
  gate.pass(kOne, 1);
  ASSERT_TRUE(gate.take_left_out(kInterval, false).has_value());
  EXPECT_FALSE(gate.pass(kOne, kInterval + 1));
  EXPECT_TRUE(gate.pass(kOne, 2 * kInterval));
}

// A report that is let through does not forget those before it.
TEST(ReportGate, KeepsTheNumberUntilItIsTold) {
  ReportGate gate;
  gate.pass(kOne, 0);
  gate.pass(kOne, 1);
  EXPECT_TRUE(gate.pass(kOne, kInterval));
  gate.pass(kOne, kInterval + 1);
  EXPECT_EQ(gate.take_left_out(2 * kInterval, false)->count, 2U);
}

TEST(ReportGate, TellsAllAtTheEnd) {
  ReportGate gate;
  for (const std::size_t kind : {kOne, kOther}) {
    gate.pass(kind, 0);
    gate.pass(kind, 1);
  }
  EXPECT_TRUE(gate.take_left_out(2, true).has_value());
  EXPECT_TRUE(gate.take_left_out(2, true).has_value());
  EXPECT_FALSE(gate.take_left_out(2, true).has_value());
}

TEST(ReportGate, IsDueByTheEarliestOfItsKinds) {
  ReportGate gate;
  gate.pass(kOne, 100);
  gate.pass(kOther, 50);
  gate.pass(kOne, 101);
  EXPECT_EQ(gate.due_ns(), 100 + kInterval);
  gate.pass(kOther, 102);
  EXPECT_EQ(gate.due_ns(), 50 + kInterval);
}

}  // namespace
}  // namespace influx::transport
