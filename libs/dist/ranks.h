// The processes of one run, as everything that computes sees them: how many, which one this is, and what they do together. Ranks() is a
// process of its own: then everything here gives back what it got, so that callers need not ask.
//
// The convention of all methods: a batch is that of the whole run, and each rank holds as many of its rows as the others, in the order of
// the ranks. A loss is the mean over a rank's own rows; the mean of the ranks' losses is that of the whole batch, and so is the mean of
// their gradients.
#pragma once

#include "libtorch.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::dist {

class Communicator;

class Ranks {
 public:
  Ranks() = default;
  explicit Ranks(std::shared_ptr<Communicator> communicator);

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] bool alone() const { return size_ == 1; }
  [[nodiscard]] bool first() const { return rank_ == 0; }
  /// Rows of the whole batch, of which a rank holds `own`.
  [[nodiscard]] std::int64_t whole(std::int64_t own) const { return own * size_; }
  /// This rank's rows of a tensor of the whole batch (a view). Random numbers are drawn for the whole batch by all ranks, whose generators
  /// are alike, and each keeps its own: the result does not depend on the number of ranks (where the rows are the batch's: of two views put
  /// together the ranks' rows are others, as likely).
  [[nodiscard]] torch::Tensor own_rows(const torch::Tensor& whole) const;
  /// What could hold the whole batch's rows of the kind of `own` ones: to be filled at random.
  [[nodiscard]] torch::Tensor whole_like(const torch::Tensor& own) const;
  /// [begin, end) of `count` things, as equal a part as can be.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> own_part(std::int64_t count) const;

  // What all ranks call together, in one order. Error: LostContact when another rank is gone.

  /// In place: the sum over ranks.
  void sum_(const torch::Tensor& x) const;
  /// The mean over ranks, without gradient.
  [[nodiscard]] torch::Tensor mean(const torch::Tensor& x) const;
  /// The rows of all ranks one below the other, without gradient; every rank has as many.
  [[nodiscard]] torch::Tensor gather(const torch::Tensor& rows) const;
  /// The same, with gradient: what all ranks make of a row comes back to the rank that it is of.
  [[nodiscard]] torch::Tensor gather_with_gradient(const torch::Tensor& rows) const;
  /// Rows of ranks that may have different numbers of them.
  [[nodiscard]] torch::Tensor gather_parts(const torch::Tensor& rows) const;
  /// In place: what the first rank has, or another.
  void broadcast_(const torch::Tensor& x, int from = 0) const;
  /// Text of the first rank, and texts of all.
  [[nodiscard]] std::string broadcast(const std::string& text) const;
  [[nodiscard]] std::vector<std::string> gather(const std::string& text) const;

  [[nodiscard]] const std::shared_ptr<Communicator>& communicator() const { return communicator_; }

 private:
  std::shared_ptr<Communicator> communicator_;
  int rank_ = 0, size_ = 1;
};

/// What the ranks do together broke off: another one is gone, or cannot be reached.
class LostContact : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What depends on the whole batch rather than on a rank's part of it: queues, batch normalisation, methods. It is told of the ranks once
/// it is built.
class RankAware {
 public:
  virtual ~RankAware() = default;
  virtual void join(const Ranks& ranks) = 0;
};

/// Tells `module` and all modules in it that are RankAware.
void join_all(torch::nn::Module& module, const Ranks& ranks);

/// Ranks among the values that an autograd function saves for its backward pass.
c10::IValue saved(const Ranks& ranks);
Ranks saved_ranks(const c10::IValue& value);

}  // namespace selfsight::dist
