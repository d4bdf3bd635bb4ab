#include "methods/hallucinator.h"

namespace selfsight::methods {

namespace {

train::PairMethod& pairs_of(train::Method& host) {
  auto* pairs = dynamic_cast<train::PairMethod*>(&host);
  if (pairs == nullptr || !pairs->compares_any_pair())
    core::fail(core::Exit::usage,
               "--with hallucinator: what it is put around does not compare pairs of embeddings, or is a modifier itself (simclr, moco and "
               "simsiam "
               "do compare them)");
  return *pairs;
}

}  // namespace

Hallucinator::Hallucinator(std::shared_ptr<train::Method> host) : Modifier(std::move(host)), pairs_(pairs_of(*host_)) {}

void Hallucinator::describe(core::Options& o) {
  Modifier::describe(o);
  o.group("Hallucinator");
  o.add("extrapolation", &options_.extrapolation, "largest r; one r a batch, uniform from 0, in e = (1 + r) q - r k")
      .range(0, 10)
      .only_with("hallucinator-module", {"mlp", "none"});
  o.add("hallucinator-hidden", &options_.hidden, "width of the two hidden layers of M; 0: twice that of a query, as released")
      .range(0, 1 << 16)
      .only_with("hallucinator-module", {"mlp"});
  o.add("hallucinator-module", &options_.module, "M: mlp; none: e itself; off: no further queries, the crop alone")
      .choices({"mlp", "none", "off"});
  o.add("suppress-alpha", &options_.suppress_alpha, "alpha of the Beta distribution of the first view's centre; 0: an ordinary crop")
      .range(0, 100);
  o.add("suppress-box", &options_.box, "shares of either side that this centre stays between").range(0, 1).only_with("suppress-alpha");
}

std::vector<data::ViewSpec> Hallucinator::views(std::int64_t image) const {
  if (options_.box.size() != 2 || options_.box[0] > options_.box[1])
    core::fail(core::Exit::usage, "--suppress-box needs two shares, the smaller one first");
  auto specs = Modifier::views(image);
  specs.at(0).recipe.suppress_alpha = options_.suppress_alpha;
  specs.at(0).recipe.suppress_low = options_.box[0];
  specs.at(0).recipe.suppress_high = options_.box[1];
  return specs;
}

void Hallucinator::build(const train::Setup& setup) {
  Modifier::build(setup);
  if (options_.module != "mlp") return;
  const std::int64_t dim = pairs_.embedding_dim(), hidden = options_.hidden > 0 ? options_.hidden : 2 * dim;
  generator_ = register_module("generator", std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = {2 * dim, hidden, hidden, dim}}));
}

torch::Tensor Hallucinator::hallucinate(const torch::Tensor& query, const torch::Tensor& key, double r) {
  const torch::Tensor away = r == 0 ? query : (1 + r) * query - r * key;
  return generator_ ? generator_->forward(torch::cat({query, away}, 1)) : away;
}

train::Outcome Hallucinator::step(const train::Views& views, const train::Progress& progress) {
  const auto pair = pairs_.encode(views.x.at(0), views.x.at(1), progress);
  if (options_.module == "off") return pairs_.compare(pair, progress);
  const double r = options_.extrapolation * torch::rand({}, torch::kFloat64).item<double>();
  return pairs_.compare(pair.with_queries(hallucinate(pair.query, pair.counterpart(), r)), progress);
}

namespace {
const bool registered = train::ModifierRegistry::instance().add(
    "hallucinator",
    {.title = "Hallucinator",
     .paper =
         "Wu et al., Hallucination Improves the Performance of Unsupervised Visual Representation Learning, ICCV 2023, arXiv 2307.12168",
     .summary = "A small trained module makes one more positive of every pair, beyond the query and away from its key.",
     .needs = "a host that compares pairs: simclr, moco or simsiam",
     .cost = "1.3 x the time, 0.9 x the memory (around MoCo)",
     .make = [](std::shared_ptr<train::Method> host) { return std::make_shared<Hallucinator>(std::move(host)); }});
}  // namespace

}  // namespace selfsight::methods
