#include "tasks/probe_classifier.h"

#include "core/error.h"
#include "core/log.h"
#include "metrics/classification.h"

namespace selfsight::tasks {

void judge_classifier(const manifest::Model& model, const manifest::Dataset& dataset, const ProbeOptions& options,
                      const OutputFolder& folder, const dist::Ranks& ranks, manifest::Metrics& metrics) {
  if (options.protocols.size() > 1 || !options.baselines.empty() || options.layers != std::vector<std::string>{"pooled"})
    core::fail(core::Exit::usage,
               "--protocol classifier judges what came with the weights, alone: no other protocol, --baseline or --layer goes with it");
  const auto encoder = train::load_encoder(model, "classifier");
  const Subject subject = model_subject(model, "pooled");
  const OpenSplit split = open_split(dataset, options.test_split, subject, options.bad);
  const EmbedRun run{.device = train::open_device(options.device), .batch = options.batch, .workers = options.workers, .ranks = ranks};
  const train::Embedded embedded = embed_split(subject, split, run);
  const torch::Tensor labelled = embedded.labels.ge(0).nonzero().flatten(), labels = embedded.labels.index_select(0, labelled).contiguous();
  if (labels.numel() == 0) core::fail(core::Exit::bad_data, "the split '{}' has no labels", options.test_split);
  torch::Tensor scores;
  {
    const torch::NoGradGuard no_grad;
    scores = encoder->head->forward(embedded.features.index_select(0, labelled)).contiguous();
  }
  if (const std::int64_t largest = labels.max().item<std::int64_t>(); largest >= scores.size(1))
    core::fail(core::Exit::bad_data, "the split '{}' has a class {}, the classifier {} classes", options.test_split, largest,
               scores.size(1));
  folder.take();
  metrics.model = subject.model;
  if (const auto left_out = left_out_json({&split}); !left_out.empty()) metrics.extra["bad_items"] = left_out;
  for (const std::int64_t k : {1, 5}) {
    if (k > 1 && scores.size(1) <= 10) break;
    const double share = metrics::top_k({scores.const_data_ptr<float>(), static_cast<std::size_t>(scores.numel())}, scores.size(1),
                                        {labels.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(labels.numel())}, k);
    metrics.rows.push_back(
        {.name = fmt::format("classifier top-{}", k),
         .value = 100 * share,
         .unit = "%",
         .split = options.test_split,
         .protocol = {{"classifier", "the model's own"}, {"labels", 0}, {"images", labels.numel()}, {"features", "pooled"}},
         .samples = {},
         .subject = subject.name});
    core::log_info("{}: {} {:.2f} % of {} images", subject.name, metrics.rows.back().name, metrics.rows.back().value, labels.numel());
  }
}

}  // namespace selfsight::tasks
