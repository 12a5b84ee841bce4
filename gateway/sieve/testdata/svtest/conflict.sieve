require "reject";
keep;
reject "Not wanted.";
