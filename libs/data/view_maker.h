// Makes the views of one sample into its place of a batch. What they show depends on seed, epoch and the place's draw, not on threads.
#pragma once

#include "core/error.h"
#include "data/loader.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace selfsight::data {

/// An item that cannot be used, thrown.
struct Unusable {
  BadItem item;
};

/// Whether an error of reading or decoding a sample is that sample's own, so that others may do.
bool is_of_sample(const core::Error& error);

class ViewMaker {
 public:
  /// As Loader takes them. Errors: as Loader's.
  ViewMaker(std::vector<std::shared_ptr<const Source>> sources, std::vector<ViewSpec> views, std::uint64_t seed,
            Loader::HandsOver hands_over);

  /// What a thread uses again for every sample.
  struct Scratch {
    explicit Scratch(const ViewMaker& maker) : drawn(maker.views_.size()) {}
    Image image;
    std::vector<Drawn> drawn;  ///< of each view
    LoaderTimes times;
  };

  [[nodiscard]] std::size_t sources() const { return sources_.size(); }
  [[nodiscard]] const Source& source(std::int32_t index) const { return *sources_[static_cast<std::size_t>(index)]; }
  /// Samples of all sources.
  [[nodiscard]] std::int64_t items() const { return items_; }
  /// Of a loader that hands over: a sample's, and its mate's where a view shows it.
  [[nodiscard]] std::size_t pictures_a_place() const { return pictures_a_place_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }

  /// Gives the batch its shape.
  void lay_out(Batch& batch, std::int64_t count) const;
  /// Fills a place with `sample` and `mate` (-1: without), which need not be those of `keys`, by whose numbers all is drawn. Places are
  /// disjoint, so that threads fill them at the same time. Errors: Unusable; others that are none of the sample's.
  void make(Batch& batch, std::size_t place, const Draw& keys, std::int64_t sample, std::int64_t mate, Scratch& scratch) const;

 private:
  [[nodiscard]] core::Rng rng_of(core::Stream use, const Batch& batch, const Draw& keys, std::size_t view) const;
  void make_clips(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                  Scratch& scratch) const;
  void make_views_of(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                     Scratch& scratch) const;
  void hand_over(std::int64_t sample, const std::vector<std::size_t>& shown, const Draw& keys, std::size_t place, Batch& batch,
                 Scratch& scratch) const;

  std::vector<std::shared_ptr<const Source>> sources_;
  std::vector<ViewSpec> views_;
  std::uint64_t seed_;
  Loader::HandsOver hands_over_;
  std::size_t pictures_a_place_ = 1;
  std::int64_t channels_ = 1, items_ = 0;
};

}  // namespace selfsight::data
