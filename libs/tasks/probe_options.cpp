#include "tasks/probe.h"

namespace selfsight::tasks {

void ProbeOptions::describe(core::Options& o) {
  const std::vector<std::string> heads = {"non-linear", "conv"}, on_crops = {"linear", "non-linear", "conv", "fine-tune"};
  o.group("What is judged");
  o.add("protocol", &protocols, "how; classifier: the model's own, where its weights came with one, as it is")
      .choices({"linear", "knn", "few-labels", "non-linear", "conv", "fine-tune", "classifier"})
      .distinct();
  o.add("baseline", &baselines, "what is judged beside the model, in the same way").choices({"pixels", "untrained"}).distinct();
  o.add("train-split", &train_split, "split whose labels are used").metavar("NAME");
  o.add("test-split", &test_split, "split that is judged on").metavar("NAME");
  o.add("layer", &layers,
        "features: pooled, map, taps such as layer3 or block-11, or a head up to a layer (projector-1); of several, each is judged on its "
        "own")
      .metavar("NAME,...")
      .distinct();
  o.add("standardise", &standardise, "scale features to mean 0 and deviation 1 over the training split (not for kNN)");
  o.add("seed", &seed, "of label draws, held-out parts, orders, and of the untrained network");
  o.group("Linear probe");
  o.add("linear-lr", &linear.learning_rates, "learning rates to choose from").range(1e-9, 1e6).only_with("protocol", {"linear"}).distinct();
  o.add("linear-epochs", &linear.epochs, "epochs").range(1, 100000).only_with("protocol", {"linear"});
  o.add("linear-batch", &linear.batch, "batch").range(1, 1 << 20).only_with("protocol", {"linear"});
  o.add("linear-decay", &linear.weight_decay, "weight decay").range(0, 1).only_with("protocol", {"linear"});
  o.add("linear-momentum", &linear.momentum, "momentum").range(0, 0.9999).only_with("protocol", {"linear"});
  o.add("held-out", &held_out, "share of the training split on which the rate is chosen")
      .range(0.01, 0.5)
      .only_with("protocol", {"linear"});
  o.add("augment", &augment,
        "train on fresh random crops and flips instead of stored features: the published protocol, one forward pass an epoch")
      .only_with("protocol", {"linear"});
  o.group("kNN");
  o.add("knn-k", &knn_k, "neighbours that vote").range(1, 1e6).only_with("protocol", {"knn"}).distinct();
  o.add("knn-temperature", &knn_temperature, "a vote weighs exp(cosine / this); 0: one vote each")
      .range(0, 100)
      .only_with("protocol", {"knn"});
  o.group("Few labels");
  o.add("labels", &labels, "numbers of labels: 100, 1%, all").metavar("N").distinct().only_with("protocol", {"few-labels"});
  o.add("draws", &draws, "stratified draws of the labels, the same for every subject").range(1, 1000).only_with("protocol", {"few-labels"});
  o.add("strengths", &strengths, "L2 strengths to choose from, on the mean loss")
      .range(1e-9, 1e6)
      .only_with("protocol", {"few-labels"})
      .distinct();
  o.group("Fine-tuning");
  o.add("fine-tune-labels", &fine_tune_labels, "numbers of labels: 100, 1%, all")
      .metavar("N")
      .distinct()
      .only_with("protocol", {"fine-tune"});
  o.add("fine-tune-draws", &fine_tune_draws, "draws of the labels").range(1, 1000).only_with("protocol", {"fine-tune"});
  o.add("fine-tune-epochs", &fine_tune.epochs, "epochs").range(1, 100000).only_with("protocol", {"fine-tune"});
  o.add("fine-tune-least-steps", &fine_tune.least_steps, "few labels get more epochs until there are so many steps")
      .range(1, 1e9)
      .only_with("protocol", {"fine-tune"});
  o.add("fine-tune-batch", &fine_tune.batch, "batch").range(2, 1 << 20).only_with("protocol", {"fine-tune"});
  o.add("fine-tune-lr", &fine_tune.learning_rate, "peak learning rate of AdamW").range(1e-9, 10).only_with("protocol", {"fine-tune"});
  o.add("fine-tune-decay", &fine_tune.weight_decay, "weight decay").range(0, 1).only_with("protocol", {"fine-tune"});
  o.add("fine-tune-warmup", &fine_tune.warmup, "share of the steps over which the learning rate rises")
      .range(0, 0.9)
      .only_with("protocol", {"fine-tune"});
  o.add("layer-decay", &fine_tune.layer_decay, "factor on the learning rate from each block to the one below")
      .range(0.01, 1)
      .only_with("protocol", {"fine-tune"});
  o.group("Larger heads on frozen features (RotNet's: two hidden layers on any layer, a block of convolutions on a map)");
  o.add("head-epochs", &head.epochs, "epochs").range(1, 100000).only_with("protocol", heads);
  o.add("head-batch", &head.batch, "batch").range(2, 1 << 20).only_with("protocol", heads);
  o.add("head-lr", &head.learning_rate, "learning rate of SGD with Nesterov's momentum").range(1e-9, 1e3).only_with("protocol", heads);
  o.add("head-drops", &head.drops,
        "shares of the epochs from which on the rate is a fifth of what it was; left out: 0.2,0.4,0.45 (non-linear), 0.35,0.7,0.85 (conv)")
      .range(0, 1)
      .only_with("protocol", heads);
  o.add("head-decay", &head.weight_decay, "weight decay").range(0, 1).only_with("protocol", heads);
  o.group("Crops of --augment, of heads and of fine-tuning");
  o.add("crop-scale", &crop.scale_min, "least share of the area that a crop keeps").range(0.001, 1).only_with("protocol", on_crops);
  o.add("crop-padding", &crop.padding, "above 0: crops are not resized but cut from the image with so many pixels of black around it")
      .range(0, 1 << 12)
      .only_with("protocol", on_crops);
  o.add("crop-flip", &crop.flip, "probability of a flip").range(0, 1).only_with("protocol", on_crops);
  o.group("Bad images");
  bad.describe(o);
  o.group("Running");
  o.add("device", &device, "cpu, cuda or cuda:N").runtime();
  o.add("threads", &threads, "of LibTorch; 0: all processors").range(0, 4096).runtime();
  o.add("workers", &workers, "that load images; 0: one per processor").range(0, 4096).runtime();
  o.add("batch", &batch, "images embedded at a time").range(1, 1 << 20).runtime();
  o.add("reuse", &reuse, "take features that an earlier run left in the output folder").runtime();
}

}  // namespace selfsight::tasks
