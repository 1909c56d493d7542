#include "influx/transport/clock.h"

#include <gtest/gtest.h>

#include <limits>

namespace influx::transport {
namespace {

TEST(BackOff, DoublesUpToTheLongest) {
  EXPECT_EQ(back_off(50, 1000, 1), 50);
  EXPECT_EQ(back_off(50, 1000, 2), 100);
  EXPECT_EQ(back_off(50, 1000, 5), 800);
  EXPECT_EQ(back_off(50, 1000, 6), 1000);
  EXPECT_EQ(back_off(50, 1000, std::numeric_limits<int>::max()), 1000);
}

TEST(BackOff, IsNeverLongerThanTheLongest) {
  EXPECT_EQ(back_off(2000, 1000, 1), 1000);
}

TEST(BackOff, IsTheFirstPauseBeforeAnyAttempt) {
  EXPECT_EQ(back_off(50, 1000, 0), 50);
}

}  // namespace
}  // namespace influx::transport
